#![forbid(unsafe_code)]
//! Times as they stand in file names: `20261124T172227-123456Z`, to the
//! microsecond, in the order of the calendar.

use std::time::{Duration, SystemTime};

/// How long they are.
pub(super) const LENGTH: usize = "20261124T172227-123456Z".len();

/// Beyond the year 9999 they would be longer.
const LAST_SECOND: u64 = 253_402_300_799;

pub(super) fn stamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since
        .unwrap_or_default()
        .min(Duration::from_secs(LAST_SECOND));
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = since.subsec_micros();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}-{micros:06}Z")
}

/// Year, month and day, so many days after 1 January 1970, in the Gregorian
/// calendar: years that begin in March, in eras of 400 (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    if month < 10 {
        (era * 400 + year, month + 3, day)
    } else {
        (era * 400 + year + 1, month - 9, day)
    }
}

/// Could `stamp` have written this?
pub(super) fn is_stamp(text: &str) -> bool {
    text.len() == LENGTH
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'-',
            22 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds: u64, micros: u32| {
            stamp(SystemTime::UNIX_EPOCH + Duration::new(seconds, micros * 1000))
        };
        // As `date -u -d @SECONDS` has them.
        assert_eq!(at(0, 0), "19700101T000000-000000Z");
        assert_eq!(at(951_782_400, 1), "20000229T000000-000001Z");
        assert_eq!(at(951_868_799, 0), "20000229T235959-000000Z");
        assert_eq!(at(951_868_800, 0), "20000301T000000-000000Z");
        assert_eq!(at(1_795_382_586, 283_086), "20261122T212306-283086Z");
        assert_eq!(at(4_107_542_400, 0), "21000301T000000-000000Z");
        assert_eq!(at(u64::from(u32::MAX), 999_999), "21060207T062815-999999Z");
        assert_eq!(at(LAST_SECOND + 5, 0), "99991231T235959-000000Z");
        assert!(is_stamp(&at(LAST_SECOND, 0)));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for text in [
            "",
            "20261124T172227",
            "20261124 172227-123456Z",
            "2026-1124T17227-123456Z",
        ] {
            assert!(!is_stamp(text), "{text}");
        }
    }
}
