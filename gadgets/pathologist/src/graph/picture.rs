//! The graph as a picture.

use std::f64::consts::TAU;
use std::fmt::{self, Write as _};

use super::text::{Lock, lock_name};
use super::{Cycle, Edge, End, LockGraph, Node};

/// The most cycles, members of one, and other waits that are drawn; a picture of more cannot be read.
const MOST_CYCLES: usize = 8;
const MOST_MEMBERS: usize = 24;
const MOST_WAITS: usize = 48;

const WIDTH: f64 = 960.0;
/// Of a thread's box.
const BOX: (f64, f64) = (150.0, 40.0);
/// Of a lock's circle.
const RADIUS: f64 = 16.0;
const ROW: f64 = 80.0;

const DEAD: &str = "#c62828";
const CALM: &str = "#546e7a";

type Place = (f64, f64);

impl LockGraph {
    /// The graph as an SVG document: threads are boxes, locks are circles, an arrow leads from a thread to the lock it
    /// waits for and from there to the thread that holds it. Cycles are red, each a ring; below them are those that wait
    /// outside of one. The same graph gives the same bytes.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut body = String::new();
        let mut top = 48.0;
        for cycle in self.cycles().take(MOST_CYCLES) {
            top = ring(&mut body, &cycle, top);
        }
        let outside = |at: usize| !self.cycles.iter().any(|cycle| cycle.contains(&(at as u32)));
        let mut waits =
            self.nodes.iter().enumerate().filter(|(at, node)| node.waits.is_some() && outside(*at));
        for (at, node) in waits.by_ref().take(MOST_WAITS) {
            top = self.row(&mut body, at as u32, node, top);
        }
        let hidden = waits.count() + self.cycles.len().saturating_sub(MOST_CYCLES);
        if hidden > 0 {
            label(&mut body, (WIDTH / 2.0, top + 20.0), CALM, &format!("and {hidden} more"));
            top += 40.0;
        }
        if self.waiting() == 0 {
            let text = "no thread waits for a lock whose owner is known";
            label(&mut body, (WIDTH / 2.0, top + 20.0), CALM, text);
            top += 40.0;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n\
             <title>Who waits for whom</title>\n\
             <defs>{dead}{calm}</defs>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"{middle}\" y=\"28\" font-size=\"16\" fill=\"#263238\">{summary}</text>\n\
             {body}</svg>\n",
            height = top + 24.0,
            middle = WIDTH / 2.0,
            dead = Tip("dead", DEAD),
            calm = Tip("calm", CALM),
            summary = Escaped(&self.summary()),
        )
    }

    fn summary(&self) -> String {
        let dead = self.cycles().filter(Cycle::is_for_good).count();
        let cycles = match dead {
            0 => "no deadlock".to_owned(),
            1 => "1 deadlock".to_owned(),
            many => format!("{many} deadlocks"),
        };
        format!("{cycles}, {} of {} threads wait for a lock", self.waiting(), self.threads())
    }

    /// One wait outside of cycles: the thread, the lock, its owner, and how that one's chain ends.
    fn row(&self, body: &mut String, at: u32, node: &Node, top: f64) -> f64 {
        let Some(edge) = &node.waits else { return top };
        let y = top + ROW / 2.0;
        let [from, lock, owner] = [120.0, 330.0, 540.0].map(|x| (x, y));
        arrow(body, (from.0 + BOX.0 / 2.0, y), (lock.0 - RADIUS, y), false);
        arrow(body, (lock.0 + RADIUS, y), (owner.0 - BOX.0 / 2.0, y), false);
        thread(body, from, node.id.tid, &node.name, CALM);
        circle(body, lock, edge, CALM);
        let name = edge.to.map_or("not looked at", |to| &self.node(to).name);
        thread(body, owner, edge.owner.tid, name, CALM);
        let end = match self.end_of(at) {
            End::Cycle(_) => "leads into a cycle".to_owned(),
            End::Unseen(_) => "ends outside of what was looked at".to_owned(),
            End::Thread(end) => {
                let end = self.node(end);
                format!("ends at {}: it {}", end.id.tid, end.does)
            }
        };
        label(body, (790.0, y + 4.0), CALM, &end);
        top + ROW
    }
}

/// A cycle as a ring on which threads and locks take turns.
fn ring(body: &mut String, cycle: &Cycle<'_>, top: f64) -> f64 {
    let shown: Vec<(&Node, &Edge)> = cycle.edges().take(MOST_MEMBERS).collect();
    let steps = shown.len() * 2;
    // Wide enough that neither boxes nor what is written at the circles overlap.
    let across = (steps as f64 * 125.0 / TAU).max(110.0);
    let (wide, high) =
        ((across * 1.5).clamp(200.0, WIDTH / 2.0 - BOX.0 * 0.7), across * 0.7 + 10.0);
    let middle = (WIDTH / 2.0, top + high + BOX.1);
    let place = |step: usize| {
        let angle = TAU * step as f64 / steps as f64 - TAU / 4.0;
        (middle.0 + wide * angle.cos(), middle.1 + high * angle.sin())
    };
    let colour = if cycle.is_for_good() { DEAD } else { CALM };
    for (at, _) in shown.iter().enumerate() {
        let [from, lock, owner] = [2 * at, 2 * at + 1, (2 * at + 2) % steps].map(place);
        arrow(body, from, short_of(lock, from, RADIUS), cycle.is_for_good());
        let whole = at + 1 < shown.len() || shown.len() == cycle.len();
        if whole {
            arrow(body, lock, before_box(owner, lock), cycle.is_for_good());
        }
    }
    for (at, (node, edge)) in shown.iter().enumerate() {
        thread(body, place(2 * at), node.id.tid, &node.name, colour);
        circle(body, place(2 * at + 1), edge, colour);
    }
    if shown.len() < cycle.len() {
        let text = format!("and {} more", cycle.len() - shown.len());
        label(body, middle, colour, &text);
    }
    middle.1 + high + BOX.1 + 24.0
}

fn thread(body: &mut String, (x, y): Place, tid: u32, name: &str, colour: &str) {
    let (width, height) = BOX;
    let _ = writeln!(
        body,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"#fafafa\" stroke=\"{colour}\" \
         stroke-width=\"1.5\"/>",
        x - width / 2.0,
        y - height / 2.0
    );
    label(body, (x, y - 3.0), "#263238", &format!("thread {tid}"));
    label(body, (x, y + 13.0), CALM, name);
}

fn circle(body: &mut String, (x, y): Place, edge: &Edge, colour: &str) {
    let _ = writeln!(
        body,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\" fill=\"#fff8e1\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
    );
    label(body, (x, y - RADIUS - 5.0), colour, &Lock(edge.lock).to_string());
    let timed = if edge.timed { ", for a time" } else { "" };
    label(body, (x, y + RADIUS + 14.0), CALM, &format!("{}{timed}", lock_name(edge.kind)));
}

fn label(body: &mut String, (x, y): Place, colour: &str, text: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\" stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
        Escaped(text)
    );
}

fn arrow(body: &mut String, from: Place, to: Place, dead: bool) {
    let (colour, tip) = if dead { (DEAD, "dead") } else { (CALM, "calm") };
    let _ = writeln!(
        body,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"1.5\" \
         marker-end=\"url(#{tip})\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// The point on the way from `from` that lies `gap` before `to`.
fn short_of(to: Place, from: Place, gap: f64) -> Place {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(gap);
    (to.0 - dx / length * gap, to.1 - dy / length * gap)
}

/// The point on the way from `from` where the box around `to` begins.
fn before_box(to: Place, from: Place) -> Place {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let scale = |d: f64, half: f64| if d == 0.0 { f64::INFINITY } else { half / d.abs() };
    let share = scale(dx, BOX.0 / 2.0).min(scale(dy, BOX.1 / 2.0)).min(1.0);
    (to.0 - dx * share, to.1 - dy * share)
}

struct Tip(&'static str, &'static str);

impl fmt::Display for Tip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<marker id=\"{}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{}\"/></marker>",
            self.0, self.1
        )
    }
}

/// Text that a document can hold: names come from programs, and may look like a document themselves.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '&' => f.write_str("&amp;"),
                '"' => f.write_str("&quot;"),
                '\'' => f.write_str("&#39;"),
                // Not allowed in a document, escaped or not.
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}'),
                character if character.is_control() => f.write_char('\u{fffd}'),
                character => f.write_char(character),
            }?;
        }
        Ok(())
    }
}
