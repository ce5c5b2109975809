#![forbid(unsafe_code)]
//! The last minutes of the program's memory, for the chart. Nothing is looked at
//! unless somebody asks, and then once a second, however many ask.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::now::Now;

/// Five minutes of points.
const POINTS: usize = 300;
/// A little less than what pages wait between two requests.
const PERIOD: Duration = Duration::from_millis(900);

/// What was seen, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Point>>);

/// The two lines of the chart at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    at: Instant,
    in_use_bytes: Option<i64>,
    resident_bytes: Option<u64>,
}

impl Recent {
    /// Remembers this moment, unless the last one was a moment ago.
    pub(super) fn add(&self, now: &Now, at: Instant) {
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |last: &Point| at.saturating_duration_since(last.at) >= PERIOD;
        if !points.back().is_none_or(is_due) {
            return;
        }
        if points.len() == POINTS {
            points.pop_front();
        }
        points.push_back(Point {
            at,
            in_use_bytes: now.in_use_bytes(),
            resident_bytes: now.resident_bytes,
        });
    }

    /// For each, oldest first: how many milliseconds ago it was, bytes in use and
    /// resident.
    pub(super) fn ages(&self, now: Instant) -> Vec<(u64, Option<i64>, Option<u64>)> {
        let points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |point: &Point| {
            let age = now.saturating_duration_since(point.at).as_millis();
            u64::try_from(age).unwrap_or(u64::MAX)
        };
        let points = points.iter();
        points
            .map(|point| (age(point), point.in_use_bytes, point.resident_bytes))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_a_second_for_five_minutes() {
        let (recent, now) = (Recent::default(), Now::default());
        let start = Instant::now();
        let moment = |tenths: u32| start + Duration::from_millis(100) * tenths;
        for tenths in 0..10_000 {
            recent.add(&now, moment(tenths));
        }
        let ages = recent.ages(moment(10_000));
        assert_eq!(ages.len(), POINTS);
        assert!(ages.iter().is_sorted_by(|a, b| a.0 == b.0 + 900));
    }
}
