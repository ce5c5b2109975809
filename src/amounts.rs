#![forbid(unsafe_code)]
//! Amounts as people write them: digits, and a unit behind them without a space.

use std::str::FromStr;
use std::time::Duration;

#[cfg(cfi)]
const SIZES: [(&str, u64); 5] = [
    ("", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// Bytes: `256MiB`, or digits alone.
#[cfg(cfi)]
pub(crate) fn size(text: &str) -> Option<u64> {
    with_unit(text, &SIZES)
}

/// `10m`, by the units ms, s, m and h.
pub(crate) fn time(text: &str) -> Option<Duration> {
    with_unit(text, &TIMES).map(Duration::from_millis)
}

/// Digits alone: no sign, no space.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (value, unit) = text.split_at(end.unwrap_or(text.len()));
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number::<u64>(value)?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("90s"), Some(Duration::from_secs(90)));
        assert_eq!(time("10m"), Some(Duration::from_secs(600)));
        for text in [
            "",
            "10",
            "m",
            "1.5s",
            "1d",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
