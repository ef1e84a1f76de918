//! The picture of a run: memory, the forecasts with their intervals, and what was done.

use std::fmt::Write as _;

use gadget_core::Bytes;

use crate::story::{Kind, Story};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 46.0;

/// At most this many forecasts are drawn as rays.
const RAYS: usize = 6;

struct Scale {
    seconds: f64,
    bytes: f64,
}

impl Scale {
    fn x(&self, at: f64) -> f64 {
        LEFT + at.max(0.0) / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, bytes: f64) -> f64 {
        HEIGHT - BOTTOM - (bytes / self.bytes).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

/// The whole run as an SVG document.
pub(crate) fn draw(story: &Story) -> String {
    let end = story.samples.last().map_or(1.0, |sample| sample.at);
    // Wide enough to show where the last forecast before the first action would have ended.
    let acted = story.first(Kind::Action).map_or(end, |deed| deed.at);
    let foretold = story.forecasts.iter().rfind(|forecast| forecast.at <= acted);
    let foretold = foretold.and_then(|f| Some(f.at + f.eta?.0)).unwrap_or(end);
    let scale = Scale {
        seconds: end.max(foretold.min(2.0 * end)).max(1.0) * 1.05,
        bytes: story.limit * 1.12,
    };
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>A leak, its forecast and its end</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>"
    );
    axes(&mut svg, story, &scale);
    memory(&mut svg, story, &scale);
    rays(&mut svg, story, &scale);
    deeds(&mut svg, story, &scale);
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String, story: &Story, scale: &Scale) {
    let step = nice_step(scale.seconds / 8.0);
    let mut at = 0.0;
    while at <= scale.seconds {
        let x = scale.x(at);
        let (top, bottom) = (scale.y(scale.bytes), scale.y(0.0));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" stroke=\"#eceff1\"/>"
        );
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#546e7a\">{at:.0} s</text>",
            bottom + 18.0
        );
        at += step;
    }
    for quarter in 0..=4 {
        let bytes = story.limit * f64::from(quarter) / 4.0;
        let y = scale.y(bytes);
        let label = Bytes::new(bytes as u64);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#546e7a\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    let y = scale.y(story.limit);
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let _ = writeln!(
        svg,
        "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#c62828\" stroke-width=\"1.5\" stroke-dasharray=\"7 4\"/>"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#c62828\">limit: the kernel kills here</text>",
        y - 6.0
    );
}

fn memory(svg: &mut String, story: &Story, scale: &Scale) {
    let mut path = String::new();
    let every = (story.samples.len() / 400).max(1);
    for sample in story.samples.iter().step_by(every).chain(story.samples.last()) {
        let _ = write!(path, "{:.1},{:.1} ", scale.x(sample.at), scale.y(sample.used));
    }
    let floor = scale.y(0.0);
    let (first, last) =
        (scale.x(0.0), story.samples.last().map_or(LEFT, |sample| scale.x(sample.at)));
    let _ = writeln!(
        svg,
        "<polygon points=\"{first:.1},{floor:.1} {path}{last:.1},{floor:.1}\" fill=\"#90caf9\" fill-opacity=\"0.45\"/>"
    );
    let _ = writeln!(
        svg,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"#1565c0\" stroke-width=\"2\"/>"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"24\" font-size=\"16\" fill=\"#263238\">Memory of one cgroup: a leak, the forecasts, the rescue</text>"
    );
    if let Some(at) = story.incident {
        let x = scale.x(at);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#546e7a\">leak begins</text>",
            floor - 8.0
        );
    }
}

/// A ray from where each forecast was made to where it says the limit is met, in its interval.
fn rays(svg: &mut String, story: &Story, scale: &Scale) {
    let ends = story.first(Kind::Action).map_or(f64::MAX, |deed| deed.at);
    let made: Vec<_> = story
        .forecasts
        .iter()
        .filter(|f| f.eta.is_some() && f.used > 0.0 && f.at <= ends)
        .collect();
    let (left, width, height) = (LEFT, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let _ = writeln!(
        svg,
        "<clipPath id=\"plot\"><rect x=\"{left}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\"/></clipPath>\n<g clip-path=\"url(#plot)\">"
    );
    for forecast in made.iter().step_by((made.len() / RAYS).max(1)) {
        let Some((likely, low, high)) = forecast.eta else { continue };
        let (x, y, top) = (scale.x(forecast.at), scale.y(forecast.used), scale.y(story.limit));
        let [likely, low, high] = [likely, low, high].map(|eta| scale.x(forecast.at + eta));
        let _ = writeln!(
            svg,
            "<polygon points=\"{x:.1},{y:.1} {low:.1},{top:.1} {high:.1},{top:.1}\" fill=\"#ef6c00\" fill-opacity=\"0.10\"/>"
        );
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{likely:.1}\" y2=\"{top:.1}\" stroke=\"#ef6c00\" stroke-opacity=\"0.7\"/>"
        );
    }
    svg.push_str("</g>\n");
    if let Some(first) = story.first_forecast() {
        let (likely, low, high) = first.eta.unwrap_or_default();
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"42\" fill=\"#ef6c00\">foreseen after {:.0} s: out of memory in {likely:.0} s ({low:.0} to {high:.0}), p {:.2}</text>",
            first.at, first.probability
        );
    }
}

fn deeds(svg: &mut String, story: &Story, scale: &Scale) {
    for (row, deed) in
        story.deeds.iter().filter(|deed| deed.kind == Kind::Action).take(6).enumerate()
    {
        let x = scale.x(deed.at);
        let y = scale.y(story.limit * 0.3) + 17.0 * row as f64;
        let (top, floor) = (scale.y(scale.bytes), scale.y(0.0));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{floor:.1}\" stroke=\"#2e7d32\"/>"
        );
        let (anchor, shift) = if x > WIDTH / 2.0 { ("end", -6.0) } else { ("start", 6.0) };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#2e7d32\">{}</text>",
            x + shift,
            escape(&deed.text)
        );
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= least)
        .unwrap_or(power)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_numbers_that_people_count_in() {
        for (least, step) in [(0.3, 1.0), (3.0, 5.0), (7.0, 10.0), (12.0, 20.0), (80.0, 100.0)] {
            assert!((nice_step(least) - step).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn text_cannot_end_its_element() {
        assert_eq!(escape("<a & b>"), "&lt;a &amp; b&gt;");
    }
}
