//! A template that a service never logged before: when it is an incident.
//!
//! New templates are common: each feature that is used for the first time brings a dozen. What tells an incident from them is how grave
//! the line is, in its severity and its words; whether other services log the like all the time; whether it is logged again and again;
//! and how much news the service brings anyway. Each is worth points, one for about a factor of four in how seldom healthy logs
//! have it; enough of them are a trigger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Evidence, LogTemplate, Name, Severity, Timestamp};
use gadget_template::{Trouble, trouble_in};

use super::services::Services;
use super::{Cause, Trigger};
use crate::settings::Settings;

/// News that is held for being repeated.
const MOST_HELD: usize = 256;

/// News of trouble in several services within this time counts as more.
const TOGETHER: Duration = Duration::from_secs(10);

/// A service that was watched for so long and had no news in it has something to say.
const CALM: Duration = Duration::from_secs(3600);

/// The characters of a template that a statement shows.
const SHOWN: usize = 240;

/// News that was not enough by itself.
#[derive(Clone, Debug)]
struct Held {
    id: u32,
    at: Timestamp,
    points: Points,
}

/// What a new template is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Points {
    severity: i32,
    words: i32,
    elsewhere: i32,
    habit: i32,
    calm: i32,
    together: i32,
    repeated: i32,
}

impl Points {
    const fn sum(self) -> i32 {
        self.grave() + self.elsewhere + self.habit + self.calm + self.together + self.repeated
    }

    /// By its severity and its words alone.
    const fn grave(self) -> i32 {
        self.severity + self.words
    }

    fn evidence(self, count: u64) -> Evidence {
        let named = [
            ("severity", self.severity),
            ("words", self.words),
            ("elsewhere", self.elsewhere),
            ("habit", self.habit),
            ("calm", self.calm),
            ("together", self.together),
            ("repeated", self.repeated),
        ];
        let mut evidence = Evidence::new();
        evidence.push((Name::Borrowed("points"), f64::from(self.sum())));
        evidence.push((Name::Borrowed("lines"), count as f64));
        evidence.extend(
            named
                .into_iter()
                .filter(|(_, points)| *points != 0)
                .map(|(name, points)| (Name::Borrowed(name), f64::from(points))),
        );
        evidence
    }
}

#[derive(Clone, Debug)]
pub(super) struct News {
    needed: i32,
    repeats: Duration,
    held: VecDeque<Held>,
    /// Who had news of trouble of late.
    troubled: VecDeque<(Timestamp, Arc<str>)>,
}

impl News {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            needed: i32::from(settings.points),
            repeats: settings.repeats,
            held: VecDeque::new(),
            troubled: VecDeque::new(),
        }
    }

    pub(super) fn observe(
        &mut self,
        news: &LogTemplate,
        services: &mut Services,
    ) -> Option<Trigger> {
        if news.count > 1 {
            return self.again(news).inspect(|_| services.alarmed(&news.service, news.at));
        }
        let service = services.learned(&news.service)?;
        let mut points = by_its_line(news);
        let is_trouble = points.grave() >= 2;
        let (age, past) = (service.age, service.note(is_trouble, news.at));
        points.elsewhere = if news.elsewhere > 0 { -2 } else { 0 };
        // A service that brings such news all the time needs more of it each time, and so does a host on which all is new. What
        // comes on the heels of a trigger is sent with it, and needs none of its own.
        let by = |episodes: f64, each: f64| -(episodes / each).round() as i32;
        let alarms = services.alarms(news.at);
        points.habit = by(past.episodes, 2.0) + by(alarms, 4.0) - past.triggers as i32;
        points.calm = i32::from(is_trouble && age >= CALM && past.news < 0.5);
        if is_trouble {
            points.together = self.together(news);
        }
        if points.sum() >= self.needed {
            services.alarmed(&news.service, news.at);
            return Some(trigger(news, points));
        }
        if self.held.len() >= MOST_HELD {
            self.held.pop_front();
        }
        self.held.push_back(Held { id: news.id, at: news.at, points });
        None
    }

    /// News that was not enough, and is logged again: one for four times, two for sixteen.
    fn again(&mut self, news: &LogTemplate) -> Option<Trigger> {
        let index = self.held.iter().position(|held| held.id == news.id)?;
        let held = &mut self.held[index];
        if news.at.since(held.at) > self.repeats {
            self.held.remove(index);
            return None;
        }
        // What tells of no trouble is no incident, however often: somebody uses something new.
        if held.points.grave() < 1 {
            return None;
        }
        held.points.repeated = (news.count.ilog2() / 2) as i32;
        if held.points.sum() < self.needed {
            return None;
        }
        let points = held.points;
        self.held.remove(index);
        Some(trigger(news, points))
    }

    fn together(&mut self, news: &LogTemplate) -> i32 {
        while self.troubled.front().is_some_and(|(at, _)| news.at.since(*at) > TOGETHER)
            || self.troubled.len() >= MOST_HELD
        {
            self.troubled.pop_front();
        }
        let others = self.troubled.iter().any(|(_, service)| *service != news.service);
        self.troubled.push_back((news.at, Arc::clone(&news.service)));
        // What is old elsewhere is likely to come to several at once.
        i32::from(others && news.elsewhere == 0)
    }
}

/// What the line itself is worth, by its severity and its words.
fn by_its_line(news: &LogTemplate) -> Points {
    let trouble = trouble_in(&news.template);
    let (severity, words) = match (news.severity, trouble) {
        (Some(Severity::Error | Severity::Fatal), _) => (3, 0),
        (Some(Severity::Warn), Trouble::Clear | Trouble::Hint) => (1, 1),
        (Some(Severity::Warn), Trouble::None) => (1, 0),
        (_, Trouble::Clear) => (0, 2),
        (_, Trouble::Hint) => (0, 1),
        (_, Trouble::None) => (0, 0),
    };
    Points { severity, words, ..Points::default() }
}

fn trigger(news: &LogTemplate, points: Points) -> Trigger {
    let shown: String = news.template.chars().take(SHOWN).collect();
    Trigger {
        at: news.at,
        about: Arc::clone(&news.service),
        cause: Cause::News,
        statement: format!("{} never logged this before: {shown}", news.service).into(),
        evidence: points.evidence(news.count),
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::{LogActivity, ServiceLogs};

    use super::*;

    /// Two services that were watched for `secs`.
    fn watched(secs: u64) -> Services {
        let mut services = Services::new(&Settings::default());
        let logs = |name: &str| ServiceLogs {
            service: name.into(),
            lines: 1,
            errors: 0,
            bytes: 9,
            lost: 0,
        };
        let over = Duration::from_secs(1);
        let activity = LogActivity { over, services: vec![logs("api"), logs("db")] };
        for at in 0..=secs {
            services.observe(&activity, Timestamp::from_secs(at));
        }
        services
    }

    fn news(id: u32, severity: Option<Severity>, template: &str, at: u64) -> LogTemplate {
        LogTemplate {
            service: "api".into(),
            template: template.into(),
            id,
            severity,
            at: Timestamp::from_secs(at),
            known: 20,
            lines: 1000,
            kin: 0,
            count: 1,
            elsewhere: 0,
        }
    }

    fn heard(news: &[LogTemplate]) -> Vec<u32> {
        let (mut detector, mut services) = (News::new(&Settings::default()), watched(600));
        news.iter()
            .filter(|news| detector.observe(news, &mut services).is_some())
            .map(|news| news.id)
            .collect()
    }

    const ERROR: Option<Severity> = Some(Severity::Error);
    const INFO: Option<Severity> = Some(Severity::Info);

    #[test]
    fn an_error_never_logged_before_is_an_incident_at_once() {
        assert_eq!(heard(&[news(1, ERROR, "get route by ids failed", 700)]), [1]);
        assert_eq!(heard(&[news(1, INFO, "route cache is warm", 700)]), [0_u32; 0]);
    }

    #[test]
    fn a_service_that_just_began_is_learned_first() {
        let (mut detector, mut services) = (News::new(&Settings::default()), watched(5));
        let news = news(1, ERROR, "cannot bind", 6);
        assert_eq!(detector.observe(&news, &mut services), None);
    }

    #[test]
    fn what_other_services_log_needs_repetition() {
        let mut lines = Vec::new();
        for count in [1, 2, 4, 8, 16] {
            let elsewhere = 7;
            lines.push(LogTemplate { count, elsewhere, ..news(1, ERROR, "no instances", 700) });
        }
        assert_eq!(heard(&lines[..4]), [0_u32; 0]);
        assert_eq!(heard(&lines), [1]);
        lines[4].at = Timestamp::from_secs(800);
        assert_eq!(heard(&lines), [0_u32; 0], "too late to be one thing");
    }

    #[test]
    fn words_of_trouble_without_a_severity_need_repetition() {
        let again = |count, at| LogTemplate { count, ..news(1, None, "fsync failed on <*>", at) };
        assert_eq!(heard(&[again(1, 700), again(2, 701)]), [0_u32; 0]);
        assert_eq!(heard(&[again(1, 700), again(2, 701), again(4, 702)]), [1]);
    }

    #[test]
    fn a_service_with_ever_new_errors_is_not_heard_for_ever() {
        let all: Vec<_> =
            (0..50).map(|n| news(n, ERROR, "some new error", 700 + u64::from(n))).collect();
        assert!(heard(&all).len() <= 2, "{:?}", heard(&all));
    }

    #[test]
    fn an_incident_that_brought_much_does_not_hide_the_next_one() {
        let (mut detector, mut services) = (News::new(&Settings::default()), watched(600));
        let mut heard = |id, severity, template: &str, at| {
            let news = news(id, severity, template, at);
            detector.observe(&news, &mut services).is_some_and(|found| {
                assert_eq!(&*found.about, "api");
                true
            })
        };
        assert!(heard(1, ERROR, "server process was terminated by signal <*>", 700));
        let others = ["terminating any other process", "not properly shut down", "interrupted"];
        for (id, template) in (2..).zip(others) {
            assert!(!heard(id, Some(Severity::Warn), template, 701), "part of the same");
        }
        assert!(heard(9, ERROR, "could not extend file: No space left on device", 900));
    }

    #[test]
    fn a_host_on_which_all_is_new_is_not_heard_for_ever() {
        let (mut detector, mut services) = (News::new(&Settings::default()), watched(600));
        let logs = |n: u64| ServiceLogs {
            service: format!("s{n}").into(),
            lines: 1,
            errors: 0,
            bytes: 9,
            lost: 0,
        };
        let all = (0..40).map(logs).collect();
        services.observe(
            &LogActivity { over: Duration::from_secs(1), services: all },
            Timestamp::from_secs(600),
        );
        for at in 600..800 {
            let none = LogActivity { over: Duration::from_secs(1), services: Vec::new() };
            services.observe(&none, Timestamp::from_secs(at));
        }
        let mut heard = 0;
        for n in 0..40 {
            let service = format!("s{n}").into();
            let news =
                LogTemplate { service, ..news(n, ERROR, "a new error", 800 + u64::from(n) * 130) };
            heard += usize::from(detector.observe(&news, &mut services).is_some());
        }
        assert!((2..=6).contains(&heard), "{heard}");
    }

    #[test]
    fn the_use_of_something_new_is_no_incident_however_often() {
        let again = |count| LogTemplate { count, ..news(1, INFO, "order created", 700) };
        assert_eq!(heard(&[again(1), again(16), again(256)]), [0_u32; 0]);
    }
}
