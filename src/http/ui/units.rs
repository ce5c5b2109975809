#![forbid(unsafe_code)]
//! Figures as people read them.

use std::time::Duration;

use crate::counts::Counts;
use crate::export::readable_error;
pub(super) use crate::export::{readable_bytes as bytes, readable_interval as interval_bytes};

/// Of a counter.
pub(super) fn unsigned_bytes(count: u64) -> String {
    bytes(i64::try_from(count).unwrap_or(i64::MAX))
}

/// How far bytes may be off; or `exact`.
pub(super) fn error_bytes(counts: &Counts) -> String {
    readable_error(counts).unwrap_or_else(|| EXACT.into())
}

/// `4.20 MiB`: how far the farther end of the 95 % interval is away; or `exact`.
pub(super) fn reach_bytes(counts: &Counts) -> String {
    if counts.standard_error_bytes() == 0.0 {
        return EXACT.into();
    }
    let interval = counts.confidence_interval_bytes();
    bytes((counts.bytes - interval.start()).max(interval.end() - counts.bytes))
}

const EXACT: &str = "exact";

/// `1,234,567`
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 {
        text.insert(0, '-');
    }
    text
}

/// The same for counters.
pub(super) fn count(count: u64) -> String {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// `3 d 4 h`, `12 min 5 s`: the two largest units.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_off() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(u64::MAX), number(i64::MAX));
    }

    #[test]
    fn two_units_of_time() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (7_260, "2 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
