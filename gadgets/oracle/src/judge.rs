//! From what was seen of one subject to what is said, asked and proposed.

use std::time::Duration;

use gadget_core::{
    Assessment, Bytes, Name, Outcome, Plans, Probability, Reach, StepKind, Subject, Timestamp,
    World,
};

use crate::features::Row;
use crate::forecast::{Class, Forecast, class_of, estimate};
use crate::ladder::{Situation, evidence};
use crate::oracle::Oracle;
use crate::pace::pace;
use crate::track::{GAVE_WAY, Track};

/// Between two searches for a culprit at least and at most, in seconds; a twentieth of the time left between them.
const SEARCH_FASTEST: f64 = 0.05;
const SEARCH_SLOWEST: f64 = 0.5;
/// An assessment that says the same as before is repeated no more often, in seconds.
const REPEAT: f64 = 1.0;
/// A faster pace is kept for this long, in seconds: what grows in steps rests between them.
const HURRIES: f64 = 0.5;
/// When tasks begin to reclaim, the limit is taken to be this near, in seconds, until a reading says more.
const WOKEN: f64 = 4.0;
/// All processes of a host are read no more often.
const CROWDED: Duration = Duration::from_millis(100);

impl Oracle {
    pub(crate) fn released(&mut self, outcome: &Outcome) {
        let groups = self.groups.iter_mut().map(|(_, track)| &mut **track);
        for track in std::iter::once(&mut self.host).chain(groups) {
            if track.held.is_some_and(|held| held.plan == outcome.plan) {
                track.let_go();
            }
        }
    }

    pub(crate) fn judge(
        &mut self,
        track: &mut Track,
        now: Timestamp,
        time: f64,
        world: &World,
        plans: &mut Plans,
    ) {
        if track.at_rest() {
            if track.fresh {
                track.fresh = false;
                track.forecast = None;
                track.culprit = None;
                self.ask(track, None, time, world, plans);
            }
            return;
        }
        if track.blind {
            // Readings in detail are for those who ask.
            if track.levels.limit > 0.0 && track.asked.is_none() {
                track.asked = Some(Duration::from_secs(1));
                plans.watch(track.subject, Duration::from_secs(1));
            }
            return;
        }
        if std::mem::take(&mut track.woken) {
            self.ask(track, Some(WOKEN), time, world, plans);
        }
        let fresh = std::mem::take(&mut track.fresh);
        if !fresh && track.forecast.as_ref().is_none_or(|forecast| forecast.eta.is_none()) {
            return;
        }
        if fresh {
            track.alarmed = false;
        }
        track.forgive(time);
        let levels = track.levels;
        let headroom = track.headroom();
        let motion = track.window.motion();
        let eta = motion.and_then(|motion| estimate(headroom, &motion));
        let left = eta.map(|eta| eta.likely.as_secs_f64());
        let soonest = eta.map_or(f64::INFINITY, |eta| eta.low.as_secs_f64());
        let mut row = track.row(left);
        if let Some(left) = left
            && left <= self.settings.horizon.as_secs_f64()
            && time - track.searched >= (left / 20.0).clamp(SEARCH_FASTEST, SEARCH_SLOWEST)
        {
            track.searched = time;
            let since = track.window.climb.from.time;
            track.culprit = self.search.find(track.subject, since, world, &self.processes);
            row = track.row(Some(left));
        }
        let (probability, confidence) = self.believes(&row);
        if left.is_none() && track.held.is_none() {
            track.culprit = None;
        }
        let again = match (&track.culprit, &track.let_go) {
            (Some(culprit), Some(before)) => culprit.process == before.culprit,
            _ => false,
        };
        let storm = track.culprit.as_ref().is_some_and(|culprit| culprit.reach == Reach::Tree);
        let class = class_of(&row, probability, storm);
        track.forecast = Some(Forecast {
            at: now,
            subject: track.subject,
            class,
            probability: Probability::saturating(probability),
            confidence: Probability::saturating(confidence),
            eta,
            used: Bytes::new(levels.used as u64),
            limit: Bytes::new(levels.limit as u64),
            velocity: motion.map_or(0.0, |motion| motion.velocity),
            acceleration: motion.map_or(0.0, |motion| motion.acceleration),
            culprit: track.culprit.clone(),
            features: row,
        });
        self.state(track, class, probability, time, plans);
        let hint = track.window.hint().map(|speed| (headroom / speed).min(4.0));
        let until = match (eta, hint) {
            (Some(_), Some(hint)) => Some(soonest.min(hint)),
            (Some(_), None) => Some(soonest),
            (None, hint) => hint,
        };
        self.ask(track, until, time, world, plans);
        self.look_after_held(track, time, plans);
        if let Some(left) = left {
            self.propose(
                track,
                &row,
                confidence,
                (left, soonest),
                again,
                (now, time),
                world,
                plans,
            );
        }
    }

    /// Says what it thinks, when that has changed or a while has passed.
    fn state(
        &self,
        track: &mut Track,
        class: Class,
        probability: f64,
        time: f64,
        plans: &mut Plans,
    ) {
        let Some(forecast) = &track.forecast else { return };
        let tenths = (probability * 10.0) as u8;
        let changed = match track.stated {
            Some((before, level, _)) => before != class || level != tenths,
            None => forecast.eta.is_some(),
        };
        let due =
            track.stated.is_some_and(|(.., at)| time - at >= REPEAT) && forecast.eta.is_some();
        if !changed && !due {
            return;
        }
        track.stated = Some((class, tenths, time));
        plans.assess(Assessment {
            gadget: Name::Borrowed(crate::NAME),
            at: forecast.at,
            subject: track.subject,
            class: class.into(),
            probability: forecast.probability,
            eta: forecast.eta,
            culprit: forecast.culprit.as_ref().map(|culprit| Subject::Process(culprit.process)),
            statement: None,
            evidence: evidence(track.levels, &forecast.features, forecast.culprit.as_ref()),
        });
    }

    /// Asks for the pace that the time left wants, or gives it back.
    fn ask(
        &self,
        track: &mut Track,
        left: Option<f64>,
        time: f64,
        world: &World,
        plans: &mut Plans,
    ) {
        let levels = track.levels;
        let guarded = levels.used >= self.settings.guard_share * levels.limit;
        let wanted =
            if track.at_rest() || (left.is_none() && !guarded && track.window.span() > 10.0) {
                None
            } else {
                let room = (levels.limit - levels.used).max(0.0);
                pace(room, levels.limit, left, track.asked, self.settings.fastest)
            };
        let faster = wanted.is_some_and(|wanted| track.asked.is_none_or(|asked| wanted < asked));
        if faster {
            track.hurried = time;
        } else if time - track.hurried < HURRIES {
            return;
        }
        if wanted != track.asked {
            track.asked = wanted;
            // A host's processes are those of its root cgroup; there may be many.
            let root =
                || world.cgroups().find(|(_, cgroup)| cgroup.path() == "/").map(|(id, _)| id);
            let everybody =
                (track.subject == Subject::Host).then(root).flatten().map(Subject::Cgroup);
            match wanted {
                Some(every) => {
                    plans.watch(track.subject, every);
                    everybody.inspect(|group| plans.watch(*group, every.max(CROWDED)));
                }
                None => {
                    plans.unwatch(track.subject);
                    everybody.inspect(|group| plans.unwatch(*group));
                }
            }
        }
    }

    /// Puts back what holds a culprit when it has served: others gave way, or its time is over.
    fn look_after_held(&self, track: &mut Track, time: f64, plans: &mut Plans) {
        let room = track.room();
        let Some(held) = &mut track.held else { return };
        let served =
            room > held.room + GAVE_WAY || time - held.since >= self.settings.hold.as_secs_f64();
        if served && !held.released {
            held.released = true;
            plans.release(held.plan);
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call, and a struct for it would only be unpacked again"
    )]
    fn propose(
        &mut self,
        track: &Track,
        row: &Row,
        confidence: f64,
        (left, soonest): (f64, f64),
        again: bool,
        (now, time): (Timestamp, f64),
        world: &World,
        plans: &mut Plans,
    ) {
        let culprit = track.culprit.as_ref();
        let climbed = track.window.climbed();
        // Readings of a process that are older than a quarter of the time left say little of what it does now.
        let explained = culprit.is_some_and(|culprit| {
            culprit.growth >= self.settings.least_share * climbed
                && time - culprit.read_at <= (left / 4.0).clamp(0.25, 10.0)
        });
        let situation = Situation {
            now,
            subject: track.subject,
            levels: track.levels,
            row,
            confidence,
            left,
            soonest,
            culprit,
            explained,
            again,
            holding: track.held.is_some(),
            settings: &self.settings,
            world,
            host: &self.host_name,
        };
        let ending = &mut self.ending;
        situation.propose(&mut |plan| {
            if let (StepKind::Terminate | StepKind::Kill, Subject::Process(id)) =
                (plan.step.kind(), plan.target.subject)
                && !ending.is_full()
                && !ending
                    .iter()
                    .any(|(known, subject, _)| (*known, *subject) == (id, track.subject))
            {
                ending.push((id, track.subject, time));
            }
            let same = plans
                .proposals()
                .iter()
                .any(|other| other.target == plan.target && other.merit >= plan.merit);
            if !same {
                plans.propose(plan);
            }
        });
    }
}
