//! Five lines for the channel where people ask what that was.

use gadget_lab::Report;

use crate::story::{Kind, Story};

/// What happened, what was foreseen, decided, done, and what came of it.
pub(crate) fn lines(story: &Story, report: &Report) -> [String; 5] {
    let incident = story.incident.unwrap_or_default();
    let since = |at: f64| (at - incident).max(0.0);
    let peak = 100.0 * report.peak_share;
    let what = format!(
        "What:     {} grew in {} (limit {}) until {peak:.0} % were in use; left alone, it would have met the limit after {:.0} s.",
        report.subject, story.group, report.limit, report.expected_s
    );
    let foreseen = story.first_forecast().map_or("Foreseen: not at all.".to_owned(), |forecast| {
        let (likely, low, high) = forecast.eta.unwrap_or_default();
        format!(
            "Foreseen: {:.0} s into it, out of memory in {likely:.0} s ({low:.0} to {high:.0}), p {:.2}, because of {}.",
            since(forecast.at),
            forecast.probability,
            forecast.culprit.as_deref().unwrap_or("nobody yet")
        )
    });
    let deciding = story
        .deeds
        .iter()
        .rfind(|deed| deed.kind == Kind::Decision && deed.text.starts_with("permitted"));
    let decided = deciding.map_or("Decided:  nothing was permitted.".to_owned(), |deed| {
        let refused = deed.guards.iter().filter(|(_, says)| says != "pass").count();
        format!(
            "Decided:  after {:.0} s, {} ({} of {} guards passed).",
            since(deed.at),
            deed.text,
            deed.guards.len() - refused,
            deed.guards.len()
        )
    });
    let actions: Vec<String> = story
        .deeds
        .iter()
        .filter(|deed| deed.kind == Kind::Action)
        .map(|deed| format!("{:.1} s: {}", since(deed.at), deed.text))
        .collect();
    let done = if actions.is_empty() {
        "Done:     nothing.".to_owned()
    } else {
        format!("Done:     {}.", actions.join("; "))
    };
    let alive = report.others.iter().filter(|(_, fate)| {
        !matches!(fate, gadget_lab::Fate::Exited(_) | gadget_lab::Fate::Killed(_))
    });
    let latency = match (report.calm, report.rescue) {
        (Some(calm), Some(rescue)) => format!(
            "the innocent service answered in {:.1} ms (p99) during the rescue, {:.1} ms before",
            rescue.p99_ms, calm.p99_ms
        ),
        _ => "the innocent service was not measured".to_owned(),
    };
    let result = format!(
        "Result:   {} kernel OOM kills, {} of {} bystanders alive, {latency}.",
        report.kernel_oom_kills,
        alive.count(),
        report.others.len()
    );
    [what, foreseen, decided, done, result]
}
