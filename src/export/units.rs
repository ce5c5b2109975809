#![forbid(unsafe_code)]
//! Figures for people.

use crate::counts::Counts;

/// Three digits and a binary unit; whole bytes below a KiB.
pub(crate) fn readable_bytes(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    if size.abs() < 1024.0 {
        return format!("{bytes} bytes");
    }
    let mut unit = "";
    for larger in UNITS {
        // What would be rounded to 1024 belongs to the next one.
        if size.abs() < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    let decimals = match size.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{size:.decimals$} {unit}")
}

/// `96.1 MiB to 105 MiB`: the 95 % interval.
pub(crate) fn readable_interval(counts: &Counts) -> String {
    let interval = counts.confidence_interval_bytes();
    let [low, high] = [interval.start(), interval.end()].map(|&end| readable_bytes(end));
    format!("{low} to {high}")
}

/// `± 4.50 MiB (95 %: 96.1 MiB to 105 MiB)`: how far bytes may be off. Of few samples
/// the interval reaches farther up than down, and is said alone. Nothing if they are
/// exact.
pub(crate) fn readable_error(counts: &Counts) -> Option<String> {
    if counts.standard_error_bytes() == 0.0 {
        return None;
    }
    let interval = counts.confidence_interval_bytes();
    let down = readable_bytes(counts.bytes - interval.start());
    let up = readable_bytes(interval.end() - counts.bytes);
    let limits = format!("(95 %: {})", readable_interval(counts));
    Some(if down == up {
        format!("± {up} {limits}")
    } else {
        limits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sampler::Weight;
    use crate::record::tally::Sums;

    /// So many samples of 1 KiB, at an interval.
    fn samples(count: usize, interval: u64) -> Counts {
        let weight = Weight::of(1024, interval);
        let one = Counts::of(&Sums::of_sample(1024, weight.objects, weight.bytes));
        (0..count).fold(Counts::default(), |sum, _| sum.plus(&one))
    }

    #[test]
    fn plus_minus_is_said_where_it_leads_to_both_limits() {
        let error = |count| readable_error(&samples(count, 512 << 10));
        assert_eq!(readable_bytes(samples(400, 512 << 10).bytes), "200 MiB");
        assert_eq!(
            error(400).as_deref(),
            Some("± 19.6 MiB (95 %: 181 MiB to 220 MiB)")
        );
        assert_eq!(readable_bytes(samples(10, 512 << 10).bytes), "5.00 MiB");
        assert_eq!(error(10).as_deref(), Some("(95 %: 2.40 MiB to 9.20 MiB)"));
        assert_eq!(readable_error(&samples(10, 1)), None);
    }

    #[test]
    fn three_digits_and_a_unit() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.00 KiB"),
            (-1536, "-1.50 KiB"),
            (10 << 20, "10.0 MiB"),
            (1_048_575, "1.00 MiB"),
            (1_319_413_350, "1.23 GiB"),
            (500 << 30, "500 GiB"),
            (i64::MAX, "8.00 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(readable_bytes(bytes), text);
        }
    }
}
