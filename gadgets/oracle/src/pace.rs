//! How often a subject is to be read.

use std::time::Duration;

/// A leak is taken to be no faster than this share of its limit per second ...
const FASTEST_LEAK: f64 = 0.2;
/// ... nor than this many bytes per second, which one core can touch.
const FASTEST_FILL: f64 = 2.0 * 1024.0 * 1024.0 * 1024.0;
/// Readings before the limit is met, at the present growth.
const LOOKS: f64 = 40.0;
/// The paces that are asked for, in milliseconds: few, so that they change seldom.
const PACES: [u64; 8] = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// The pace for a group with `room` bytes of `limit` left that reaches it in `left` seconds at the earliest, if it grows at
/// all; `None` leaves it to the providers.
pub(crate) fn pace(
    room: f64,
    limit: f64,
    left: Option<f64>,
    before: Option<Duration>,
    fastest: Duration,
) -> Option<Duration> {
    let guard = room / (FASTEST_LEAK * limit).clamp(1.0, FASTEST_FILL) / 2.0;
    let wanted = match left {
        Some(left) => (left / LOOKS).min(guard.max(0.5)),
        None => guard.max(0.5),
    };
    let wanted = Duration::from_secs_f64(wanted.clamp(0.0, 60.0)).max(fastest);
    let fit = PACES.into_iter().rev().map(Duration::from_millis).find(|pace| *pace <= wanted);
    let fit = fit.map_or(fastest, |pace| pace.max(fastest));
    if wanted > Duration::from_secs(10) {
        return None;
    }
    // Slower again only when it is clearly enough.
    match before {
        Some(before) if fit > before && wanted < before * 3 => Some(before),
        _ => Some(fit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
    const FASTEST: Duration = Duration::from_millis(20);

    #[test]
    fn a_large_host_with_room_is_left_to_the_providers() {
        assert_eq!(pace(60.0 * GIB, 100.0 * GIB, None, None, FASTEST), None);
    }

    #[test]
    fn the_less_time_is_left_the_more_often_it_is_read() {
        let paces =
            [90.0, 20.0, 4.0, 1.0, 0.3].map(|left| pace(0.1 * GIB, GIB, Some(left), None, FASTEST));
        assert!(paces.windows(2).all(|pair| pair[0] >= pair[1]), "{paces:?}");
        assert_eq!(paces[4], Some(FASTEST));
        assert!(paces[0] <= Some(Duration::from_millis(500)), "{paces:?}");
    }

    #[test]
    fn a_pace_is_given_back_only_when_it_is_clearly_too_fast() {
        let hot = Some(Duration::from_millis(100));
        assert_eq!(pace(0.2 * GIB, GIB, Some(8.0), hot, FASTEST), hot);
        assert_eq!(
            pace(0.2 * GIB, GIB, Some(40.0), hot, FASTEST),
            Some(Duration::from_millis(500))
        );
    }
}
