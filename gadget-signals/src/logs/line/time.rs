//! Dates and times as lines have them.

use gadget_core::Timestamp;

/// What a date leaves open is taken from here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// When the line was read: a date without a year is the last such day before, give or take a day; a time of day alone likewise, give
    /// or take an hour.
    pub read: Timestamp,
    /// How far east of UTC a time without a zone is, in seconds.
    pub east: i32,
}

/// A date and a time at the beginning of `text`, and how many bytes they take.
pub(crate) fn at(text: &[u8], when: When) -> Option<(Timestamp, usize)> {
    let mut scan = Scan { text, at: 0 };
    let digits = text.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let moment = match (digits, text.get(digits)?) {
        (10, b'.') => {
            let (seconds, nanos) = (scan.number(10, 10)?, scan.fraction()?);
            return plausible(u128::from(seconds) * 1_000_000_000 + u128::from(nanos))
                .map(|timestamp| (timestamp, scan.at));
        }
        (0, _) => scan.named()?,
        (4, b'-' | b'/' | b'.') => scan.year_first()?,
        (8, b'-' | b' ' | b'T' | b'_') | (6, b' ') => scan.solid(digits)?,
        (1 | 2, _) => scan.short()?,
        _ => return None,
    };
    Some((moment.timestamp(when)?, scan.at))
}

/// A time of day alone, `16:48:16.545`: the last such time, give or take an hour.
pub(super) fn of_day(text: &[u8], when: When) -> Option<(Timestamp, usize)> {
    if text.get(2) != Some(&b':') || text.get(5) != Some(&b':') || text.get(8) == Some(&b':') {
        return None;
    }
    let mut scan = Scan { text, at: 0 };
    let moment = scan.moment(None, 1, 1)?;
    if scan.peek().is_ascii_alphanumeric() || scan.peek() == b':' {
        return None;
    }
    const DAY: i64 = 86_400;
    let latest = (when.read.as_nanos() / 1_000_000_000) as i64 + 3600;
    let second = moment.second_of_day as i64 - moment.east.unwrap_or(i64::from(when.east));
    let seconds = u64::try_from(latest - (latest - second).rem_euclid(DAY)).ok()?;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(moment.nanos)?;
    Some((Timestamp::from_nanos(nanos), scan.at))
}

/// Month, day and time of klog's `0102 15:04:05.678901`.
pub(super) fn klog(text: &[u8], when: When) -> Option<(Timestamp, usize)> {
    let mut scan = Scan { text, at: 0 };
    let (month, day) = (scan.number(2, 2)?, scan.number(2, 2)?);
    scan.byte(b' ')?;
    let moment = scan.moment(None, month, day)?;
    Some((moment.timestamp(when)?, scan.at))
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, by the number of digits; seconds may have a fraction.
pub(super) fn epoch(text: &[u8]) -> Option<Timestamp> {
    let mut scan = Scan { text, at: 0 };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let scale = match digits {
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let whole = u128::from(crate::text::digits(&text[..digits])?) * scale;
    scan.at = digits;
    let fraction = if scan.at == text.len() { 0 } else { scan.fraction()? };
    let below = u128::from(fraction) * scale / 1_000_000_000;
    (scan.at == text.len()).then_some(())?;
    plausible(whole + below)
}

/// Only from 2001 to 2099: other numbers of so many digits are numbers.
fn plausible(nanos: u128) -> Option<Timestamp> {
    const FROM: u128 = 1_000_000_000_000_000_000;
    const UNTIL: u128 = 4_102_444_800_000_000_000;
    (FROM..UNTIL).contains(&nanos).then(|| Timestamp::from_nanos(nanos as u64))
}

struct Moment {
    year: Option<u64>,
    month: u64,
    day: u64,
    second_of_day: u64,
    nanos: u64,
    east: Option<i64>,
}

impl Moment {
    fn timestamp(&self, when: When) -> Option<Timestamp> {
        let at = |year: u64| {
            let days = days_before(year, self.month, self.day)?;
            let local = (days * 86_400 + self.second_of_day) as i64;
            let seconds = local - self.east.unwrap_or(i64::from(when.east));
            let nanos = u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)? + self.nanos;
            Some(Timestamp::from_nanos(nanos))
        };
        if let Some(year) = self.year {
            return at(year);
        }
        let latest = when.read + std::time::Duration::from_secs(86_400);
        let year = 1970 + latest.as_nanos() / 1_000_000_000 * 400 / (146_097 * 86_400);
        // One more, for the division is off near New Year; eight, for a 29 February.
        (0..=8)
            .filter_map(|back| at((year + 1).checked_sub(back)?))
            .find(|&timestamp| timestamp <= latest)
    }
}

/// The days from the epoch to a date; `None` if there is no such day, before 1970 and after 2200.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=2200).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = year * 365 + year / 4 - year / 100 + year / 400;
    Some(before_year + (153 * month + 2) / 5 + day - 1 - 719_468)
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.any(&[byte])
    }

    fn any(&mut self, bytes: &[u8]) -> Option<()> {
        bytes.contains(&self.peek()).then(|| self.at += 1)
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u64> {
        let rest = &self.text[self.at.min(self.text.len())..];
        let digits = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if digits < least {
            return None;
        }
        self.at += digits;
        crate::text::digits(&rest[..digits])
    }

    /// `.5`, `,5` or `:5` in nanoseconds.
    fn fraction(&mut self) -> Option<u64> {
        self.any(b".,:")?;
        let start = self.at;
        let number = self.number(1, 9)?;
        let scale = 10_u64.pow(9 - (self.at - start) as u32);
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Some(number * scale)
    }

    fn month(&mut self) -> Option<u64> {
        const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
        let name = self.text.get(self.at..self.at + 3)?;
        let month = MONTHS.chunks(3).position(|month| name.eq_ignore_ascii_case(month))?;
        self.at += 3;
        // Names in full, too.
        while self.peek().is_ascii_lowercase() {
            self.at += 1;
        }
        Some(month as u64 + 1)
    }

    /// `2015-07-29 19:33:48,482`, `2024/01/31 10:00:00`, `2005-06-03-15.42.50.363779`, RFC 3339.
    fn year_first(&mut self) -> Option<Moment> {
        let year = self.number(4, 4)?;
        let separator = self.peek();
        self.at += 1;
        let month = self.number(1, 2)?;
        self.byte(separator)?;
        let day = self.number(1, 2)?;
        if self.any(b"Tt-_").is_none() {
            self.byte(b' ')?;
        }
        self.moment(Some(year), month, day)
    }

    /// `20171223-22:15:29:606`, `20240131T100000Z`, `081110 220653`.
    fn solid(&mut self, digits: usize) -> Option<Moment> {
        let year = if digits == 8 { self.number(4, 4)? } else { century(self.number(2, 2)?) };
        let (month, day) = (self.number(2, 2)?, self.number(2, 2)?);
        self.at += 1;
        self.moment(Some(year), month, day)
    }

    /// What begins with one or two digits.
    fn short(&mut self) -> Option<Moment> {
        let first = self.number(1, 2)?;
        let separator = self.peek();
        self.any(b"/-. ")?;
        if self.peek().is_ascii_alphabetic() {
            // 10/Oct/2000:13:55:36 -0700, 01-Jan-2024 10:00:00, 1-Jan-2024::10:00:00, 01 Jan 2024 10:00:00.123
            let month = self.month()?;
            self.byte(separator)?;
            let year = self.number(4, 4)?;
            self.any(b": ")?;
            let _ = self.byte(b':');
            return self.moment(Some(year), month, first);
        }
        let second = self.number(2, 2)?;
        if separator == b' ' {
            return None;
        }
        if self.byte(separator).is_none() {
            // 03-17 16:13:38.811, 10.30 16:49:06
            self.byte(b' ').filter(|()| separator != b'/')?;
            return self.moment(None, first, second);
        }
        let start = self.at;
        let third = self.number(2, 4)?;
        let _ = self.byte(b',');
        self.byte(b' ')?;
        if third > 99 || separator == b'.' {
            // 01/31/2024, and with the day first where it must be: 31/01/2024, 31.01.2024
            let day_first = first > 12 || separator == b'.';
            let (month, day) = if day_first { (second, first) } else { (first, second) };
            return self.moment(Some(third), month, day);
        }
        (self.at - start == 3).then_some(())?;
        // 17/06/09 20:10:40
        self.moment(Some(century(first)), second, third)
    }

    /// `Jun 14 15:16:01`, `Jan 02, 2024 3:04:05 PM`, `Sun Dec 04 04:47:44 2005`, `Mon, 02 Jan 2006 15:04:05 GMT`.
    fn named(&mut self) -> Option<Moment> {
        const DAYS: &[u8; 21] = b"sunmontuewedthufrisat";
        let name = self.text.get(..3)?;
        let weekday = DAYS.chunks(3).any(|day| name.eq_ignore_ascii_case(day));
        if weekday {
            self.at = 3;
            let _ = self.byte(b',');
            self.byte(b' ')?;
            if self.peek().is_ascii_digit() {
                return self.short();
            }
        }
        let month = self.month()?;
        self.byte(b' ')?;
        let _ = self.byte(b' ');
        let day = self.number(1, 2)?;
        let _ = self.byte(b',');
        self.byte(b' ')?;
        let mut year = None;
        if self.text.get(self.at + 4) == Some(&b' ') {
            year = Some(self.number(4, 4)?);
            self.at += 1;
        }
        let mut moment = self.moment(year, month, day)?;
        if weekday && year.is_none() {
            self.byte(b' ')?;
            moment.year = Some(self.number(4, 4)?);
        }
        Some(moment)
    }

    /// The time of day behind a date, with its zone if it has one.
    fn moment(&mut self, year: Option<u64>, month: u64, day: u64) -> Option<Moment> {
        let mut hour = self.number(1, 2)?;
        let separator = self.peek();
        let colon = self.any(b":.").is_some();
        let minute = self.number(2, 2)?;
        if colon {
            self.byte(separator)?;
        }
        let second = self.number(2, 2)?;
        let before = self.at;
        let nanos = self.fraction().unwrap_or_else(|| {
            self.at = before;
            0
        });
        if let Some(half @ (b" AM" | b" PM")) = self.text.get(self.at..self.at + 3) {
            self.at += 3;
            hour = (1..=12).contains(&hour).then_some(hour % 12)?
                + if half == b" PM" { 12 } else { 0 };
        }
        // Second 60 is a leap second.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let east = self.zone();
        let second_of_day = hour * 3600 + minute * 60 + second;
        Some(Moment { year, month, day, second_of_day, nanos, east })
    }

    fn zone(&mut self) -> Option<i64> {
        let rest = &self.text[self.at..];
        if let [b'Z' | b'z', ..] = rest {
            self.at += 1;
            return Some(0);
        }
        if matches!(rest.get(..4), Some(b" UTC" | b" GMT")) {
            self.at += 4;
            return Some(0);
        }
        let spaced = usize::from(rest.first() == Some(&b' '));
        let sign = match rest.get(spaced)? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let mut scan = Scan { text: rest, at: spaced + 1 };
        let hours = scan.number(2, 2)?;
        let _ = scan.byte(b':');
        let minutes = scan.number(2, 2);
        // "10:00:00 -12 degrees" has no zone, "10:00:00-12" has.
        if hours > 15
            || minutes.is_some_and(|minutes| minutes > 59)
            || (spaced == 1 && minutes.is_none())
        {
            return None;
        }
        self.at += scan.at;
        Some(sign * (hours * 3600 + minutes.unwrap_or(0) * 60) as i64)
    }
}

/// The year that two digits stand for, POSIX `%y`.
const fn century(year: u64) -> u64 {
    if year < 69 { 2000 + year } else { 1900 + year }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_date_without_a_year_is_the_last_such_day() {
        let read = |text: &str| {
            let (timestamp, length) = at(text.as_bytes(), Default::default()).unwrap();
            assert_eq!(length, text.len(), "{text}");
            timestamp
        };
        let near = |text: &str, now: Timestamp| {
            at(text.as_bytes(), When { read: now, east: 0 }).unwrap().0.to_string()
        };
        let new_year = read("2026-01-01 00:10:00");
        assert_eq!(near("Dec 31 23:59:59", new_year), "2025-12-31T23:59:59.000Z");
        assert_eq!(near("Jan  1 00:09:59", new_year), "2026-01-01T00:09:59.000Z");
        // A clock that is ahead by hours.
        assert_eq!(near("Jan  1 09:00:00", new_year), "2026-01-01T09:00:00.000Z");
        assert_eq!(near("Feb 29 00:00:00", new_year), "2024-02-29T00:00:00.000Z");
        let new_years_eve = new_year - Duration::from_secs(1200);
        assert_eq!(near("Jan  1 00:00:01", new_years_eve), "2026-01-01T00:00:01.000Z");
        assert_eq!(near("Dec 31 23:00:00", new_years_eve), "2025-12-31T23:00:00.000Z");
    }

    #[test]
    fn every_day_is_the_one_that_a_timestamp_prints() {
        for day in (0..84_000).step_by(13) {
            let timestamp = Timestamp::from_secs(day * 86_400 + day % 86_400);
            let text = timestamp.to_string();
            assert_eq!(
                at(text.as_bytes(), When::default()),
                Some((timestamp, text.len())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2024",
            "2024-01-31",
            "2024-13-01 00:00:00",
            "2024-02-30 00:00:00",
            "2024-01-01 24:00:00",
            "10.30.40.50 16:49:06",
            "12 34 56",
            "192.168.1.1 10:00:00",
            "Mayor 12",
            "Sun shines",
            "1/2/3",
            "99-99 00:00:00",
            "2024-01-01 10:00",
            "5 Jan",
            "0000-00-00 00:00:00",
            "1969-12-31 23:59:59",
        ] {
            assert_eq!(at(text.as_bytes(), When::default()), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_a_date_is_the_last_such_time() {
        let read = at(b"2026-01-01 00:10:00", When::default()).unwrap().0;
        let when = When { read, east: 0 };
        for (text, expected) in [
            ("23:59:59.5 x", Some("2025-12-31T23:59:59.500Z")),
            ("01:09:59,250", Some("2026-01-01T01:09:59.250Z")),
            ("01:10:01", Some("2025-12-31T01:10:01.000Z")),
            ("01:02:03:04:05:06", None),
            ("01:02:03::1", None),
            ("01:02:03h", None),
            ("25:00:00", None),
            ("1:00:00", None),
        ] {
            let found = of_day(text.as_bytes(), when).map(|(timestamp, _)| timestamp.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(of_day(b"12:00:00", When::default()), None, "nothing says of which day");
    }

    #[test]
    fn numbers_are_times_by_their_length() {
        let second = Timestamp::from_secs(1_700_000_000);
        let milli = second + Duration::from_millis(123);
        for (text, expected) in [
            ("1700000000", Some(second)),
            ("1700000000.123", Some(milli)),
            ("1700000000123", Some(milli)),
            ("1700000000123000", Some(milli)),
            ("1700000000123000000", Some(milli)),
            ("1700000000123.5", Some(milli + Duration::from_micros(500))),
            ("123", None),
            ("9999999999", None),
            ("1700000000.", None),
            ("1700000000x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(epoch(text.as_bytes()), expected, "{text}");
        }
    }
}
