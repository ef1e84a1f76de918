//! What must not compile: every way around the policy engine.

#[test]
fn no_effect_without_a_recorded_permit() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/permit/allowed.rs");
    cases.compile_fail("tests/permit/refused_*.rs");
}
