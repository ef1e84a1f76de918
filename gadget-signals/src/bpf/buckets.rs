//! Classes of latencies are the same on both sides.

use std::time::Duration;

use gadget_core::{LATENCY_BUCKETS, Latencies};
use libbpf_rs::{ProgramInput, skel::Skel as _};

use super::kernel::Kernel;
use super::program::Programs;
use super::skel::test_buckets::{OpenTestBucketsSkel, TestBucketsSkelBuilder};

#[test]
fn programs_put_latencies_into_the_buckets_that_we_read() {
    if let Err(error) = Kernel::probe() {
        println!("SKIPPED: {error}");
        return;
    }
    let builder = TestBucketsSkelBuilder::default();
    let mut programs =
        Programs::load("test", builder, |_: &mut OpenTestBucketsSkel<'_>| Ok(())).unwrap();
    let mut bucket = |ns: u64| {
        let mut question = [ns.to_ne_bytes(), u64::MAX.to_ne_bytes()].concat();
        let input = ProgramInput { context_in: Some(&mut question), ..ProgramInput::default() };
        let program = programs.skeleton_mut().object_mut().progs_mut().next().unwrap();
        program.test_run(input).unwrap();
        u64::from_ne_bytes(question[8..].try_into().unwrap())
    };
    let mut asked = 0;
    for power in 0..64 {
        for ns in [
            1_u64 << power,
            (1 << power) - 1,
            (1 << power) + 1,
            (1_u64 << power).wrapping_mul(1000),
        ] {
            assert_eq!(bucket(ns), Latencies::bucket(Duration::from_nanos(ns)) as u64, "{ns} ns");
            asked += 1;
        }
    }
    for edge in (0..LATENCY_BUCKETS).filter_map(Latencies::below) {
        let ns = u64::try_from(edge.as_nanos()).unwrap();
        assert_eq!(bucket(ns - 1) + 1, bucket(ns), "{ns} ns");
        asked += 1;
    }
    // Anything, by steps that share nothing with powers of two.
    let mut ns = 1_u64;
    for _ in 0..200 {
        ns =
            ns.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1) >> (ns % 50);
        assert_eq!(bucket(ns), Latencies::bucket(Duration::from_nanos(ns)) as u64, "{ns} ns");
        asked += 1;
    }
    assert!(asked > 400);
}
