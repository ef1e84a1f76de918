//! The terminal: memory and forecast above, decision and deeds below.

use gadget_core::Bytes;
use gadget_lab::Phase;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, List, Paragraph, Wrap};

use crate::story::{Deed, Kind, Story};

const MIB: f64 = 1024.0 * 1024.0;

/// Draws the story as it stands.
pub(crate) fn draw(frame: &mut Frame<'_>, story: &Story) {
    let [head, chart, middle, deeds, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(9),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(story), head);
    memory(frame, chart, story);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(42), Constraint::Percentage(58)]).areas(middle);
    frame.render_widget(forecast(story), left);
    frame.render_widget(decision(story), right);
    frame.render_widget(done(story), deeds);
    frame.render_widget(Line::from(" q ends the demo and cleans up").style(Color::DarkGray), foot);
}

fn header(story: &Story) -> Line<'static> {
    let phase = match (story.phase, story.incident) {
        (Phase::Calm, _) => Span::styled(" calm ", Style::new().bg(Color::Green).fg(Color::Black)),
        (Phase::Over, _) => Span::styled(" over ", Style::new().bg(Color::Green).fg(Color::Black)),
        _ => Span::styled(" leaking ", Style::new().bg(Color::Red).fg(Color::White)),
    };
    let used = story.samples.last().map_or(0.0, |sample| sample.used);
    let latency = story.latency.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    Line::from(vec![
        phase,
        Span::raw(format!(
            " {:4.0} s   {} of {}   innocent service p99 {latency}   {}",
            story.now(),
            Bytes::new(used as u64),
            Bytes::new(story.limit as u64),
            story.group
        )),
    ])
}

fn memory(frame: &mut Frame<'_>, area: Rect, story: &Story) {
    let now = story.now();
    let eta = story.forecast().and_then(|f| f.eta.map(|(likely, _, _)| f.at + likely));
    let end = now.max(eta.unwrap_or(0.0)).clamp(30.0, (now * 2.0).max(30.0));
    let top = story.limit * 1.1 / MIB;
    let used: Vec<(f64, f64)> = story.samples.iter().map(|s| (s.at, s.used / MIB)).collect();
    let limit = [(0.0, story.limit / MIB), (end, story.limit / MIB)];
    let mut rays = Vec::new();
    if let Some(forecast) = story.forecast()
        && let Some((likely, low, high)) = forecast.eta
    {
        let from = (forecast.at, forecast.used / MIB);
        for (eta, color) in
            [(low, Color::DarkGray), (high, Color::DarkGray), (likely, Color::Yellow)]
        {
            rays.push(([from, (forecast.at + eta, story.limit / MIB)], color));
        }
    }
    let mut sets = vec![
        Dataset::default()
            .graph_type(GraphType::Line)
            .marker(Marker::Dot)
            .style(Color::Red)
            .data(&limit),
    ];
    for (ray, color) in &rays {
        sets.push(
            Dataset::default()
                .graph_type(GraphType::Line)
                .marker(Marker::Braille)
                .style(*color)
                .data(ray),
        );
    }
    sets.push(
        Dataset::default()
            .graph_type(GraphType::Line)
            .marker(Marker::Braille)
            .style(Color::Cyan)
            .data(&used),
    );
    let label = |value: f64| format!("{value:.0}");
    let chart = Chart::new(sets)
        .block(
            Block::bordered()
                .title(" memory of the group, MiB; red: limit; yellow: forecast and its interval "),
        )
        .x_axis(
            Axis::default().bounds([0.0, end]).labels(["0 s".to_owned(), format!("{end:.0} s")]),
        )
        .y_axis(Axis::default().bounds([0.0, top]).labels([
            label(0.0),
            label(top / 2.0),
            label(top),
        ]));
    frame.render_widget(chart, area);
}

fn forecast(story: &Story) -> Paragraph<'static> {
    let mut lines = Vec::new();
    match story.forecast() {
        None => lines.push(Line::from("nothing is foreseen").style(Color::Green)),
        Some(forecast) => {
            let (likely, low, high) = forecast.eta.unwrap_or_default();
            let bold = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
            lines.push(Line::from(Span::styled(format!("out of memory in {likely:.0} s"), bold)));
            lines.push(Line::from(format!("interval     {low:.0} to {high:.0} s")));
            lines.push(Line::from(format!(
                "probability  {:.2} ({})",
                forecast.probability, forecast.class
            )));
            lines.push(Line::from(format!(
                "culprit      {}",
                forecast.culprit.as_deref().unwrap_or("not known yet")
            )));
        }
    }
    let full = story.samples.last().and_then(|sample| sample.full);
    let pressure =
        full.map_or("not offered here".to_owned(), |full| format!("{full:.1} % full, 10 s"));
    lines.push(Line::from(format!("pressure     {pressure}")));
    Paragraph::new(lines).wrap(Wrap { trim: false }).block(Block::bordered().title(" forecast "))
}

fn decision(story: &Story) -> Paragraph<'static> {
    let block = Block::bordered().title(" decision and what every guard said ");
    let Some(deed) = story.deeds.iter().rfind(|deed| deed.kind == Kind::Decision) else {
        return Paragraph::new("nothing to decide yet").block(block);
    };
    let color = if deed.text.starts_with("permitted") { Color::Green } else { Color::Yellow };
    let mut lines = vec![Line::from(deed.text.clone()).style(color)];
    let (passed, others): (Vec<_>, Vec<_>) =
        deed.guards.iter().partition(|(_, says)| says == "pass");
    for (guard, says) in others {
        lines.push(Line::from(format!("{guard}: {says}")).style(Color::Yellow));
    }
    let passed: Vec<&str> = passed.iter().map(|(guard, _)| guard.as_str()).collect();
    lines.push(Line::from(format!("pass: {}", passed.join(", "))).style(Color::DarkGray));
    Paragraph::new(lines).wrap(Wrap { trim: false }).block(block)
}

fn done(story: &Story) -> List<'static> {
    let deeds = story.deeds.iter().rev().filter(|deed| deed.kind != Kind::Decision).take(7);
    List::new(deeds.map(item).collect::<Vec<_>>())
        .block(Block::bordered().title(" done, newest first "))
}

fn item(deed: &Deed) -> Line<'static> {
    let (word, color) = match deed.kind {
        Kind::Action => ("action ", Color::Red),
        Kind::Outcome => ("outcome", Color::Green),
        Kind::Decision | Kind::Note => ("note   ", Color::DarkGray),
    };
    Line::from(vec![
        Span::raw(format!("{:5.1} s ", deed.at)),
        Span::styled(word, color),
        Span::raw(format!(" {}", deed.text)),
    ])
}
