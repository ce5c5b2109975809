#![forbid(unsafe_code)]
//! Thresholds, and when one that was passed counts again. Pure arithmetic.

use std::fmt;

/// An amount of memory at which to dump, and how much more makes another dump.
///
/// ```
/// use heapprof::Threshold;
///
/// let of_the_limit = Threshold::percent(80);            // and at 85, 90, 95
/// let of_its_own = Threshold::bytes(1 << 30).step(256 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    pub(super) unit: Unit,
    pub(super) at: u64,
    pub(super) step: u64,
}

/// What a [`Threshold`] is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Percent,
}

/// Of the limit, unless chosen otherwise.
const PERCENT_STEP: u64 = 5;

impl Threshold {
    /// So many bytes, and again at each further quarter of that.
    pub const fn bytes(bytes: u64) -> Self {
        Self {
            unit: Unit::Bytes,
            at: bytes,
            // Of less than four bytes, one.
            step: if bytes < 4 { 1 } else { bytes / 4 },
        }
    }

    /// So much of the memory limit that is nearest, and again at each further 5 %.
    pub const fn percent(percent: u8) -> Self {
        Self {
            unit: Unit::Percent,
            at: percent as u64,
            step: PERCENT_STEP,
        }
    }

    /// The same with another step, in bytes or percents as the threshold itself.
    #[must_use]
    pub const fn step(mut self, step: u64) -> Self {
        self.step = step;
        self
    }

    /// Why it makes no sense, if it makes none.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match self.unit {
            _ if self.at == 0 => Some("a threshold of nothing is always passed"),
            _ if self.step == 0 => Some("a step of nothing would dump without end"),
            Unit::Percent if self.at > 100 => Some("a threshold beyond 100 % is never reached"),
            Unit::Bytes | Unit::Percent => None,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Bytes => "",
            Unit::Percent => "%",
        };
        write!(f, "{}{unit}+{}{unit}", self.at, self.step)
    }
}

/// A threshold and how much of it has been dumped already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    at: u64,
    step: u64,
    next: u64,
}

impl Steps {
    pub(super) fn new(threshold: Threshold) -> Self {
        Self {
            at: threshold.at,
            step: threshold.step,
            next: threshold.at,
        }
    }

    /// Is it time for a dump at this value? What fell a whole step below the
    /// threshold counts as new when it comes back.
    pub(super) fn is_due(&mut self, value: u64) -> bool {
        if value < self.at.saturating_sub(self.step) {
            self.next = self.at;
        }
        value >= self.next
    }

    /// What makes the next dump.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// There was a dump at this value: the next is at the next step.
    pub(super) fn advance(&mut self, value: u64) {
        let steps = value.saturating_sub(self.at) / self.step + 1;
        self.next = self.at.saturating_add(steps.saturating_mul(self.step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a series at which there is a dump.
    fn dumped(threshold: Threshold, values: &[u64]) -> Vec<u64> {
        let mut steps = Steps::new(threshold);
        let mut dumped = Vec::new();
        for &value in values {
            if steps.is_due(value) {
                steps.advance(value);
                dumped.push(value);
            }
        }
        dumped
    }

    #[test]
    fn each_step_counts_once() {
        let values = [10, 79, 80, 81, 84, 85, 84, 86, 94, 99, 100, 100];
        assert_eq!(
            dumped(Threshold::percent(80), &values),
            [80, 85, 94, 99, 100]
        );
        let threshold = Threshold::bytes(1000).step(1);
        assert_eq!(dumped(threshold, &[999, 1000, 1000, 1001]), [1000, 1001]);
    }

    #[test]
    fn what_falls_a_step_below_comes_back_as_new() {
        let values = [80, 78, 80, 75, 80, 74, 80];
        assert_eq!(dumped(Threshold::percent(80), &values), [80, 80]);
        // A threshold below its step never counts as new.
        assert_eq!(dumped(Threshold::bytes(3).step(8), &[3, 0, 3]), [3]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let threshold = Threshold::bytes(u64::MAX).step(u64::MAX);
        assert_eq!(dumped(threshold, &[u64::MAX]), [u64::MAX]);
        assert_eq!(dumped(Threshold::bytes(1).step(1), &[u64::MAX]), [u64::MAX]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let is_fine = |threshold: Threshold| threshold.problem().is_none();
        assert!(is_fine(Threshold::percent(100)) && is_fine(Threshold::bytes(1)));
        assert!(!is_fine(Threshold::percent(0)) && !is_fine(Threshold::percent(101)));
        assert!(!is_fine(Threshold::bytes(0)) && !is_fine(Threshold::bytes(5).step(0)));
    }
}
