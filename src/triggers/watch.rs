#![forbid(unsafe_code)]
//! Looks at memory, and says when a threshold is reached.

use std::time::{Duration, Instant};

use super::builder::When;
use super::files::Reason;
use super::steps::{Steps, Threshold, Unit};
use crate::error::Error;
use crate::memory::limit::Limits;
use crate::memory::process::{Statm, StatmFile};
use crate::snapshot::in_use_bytes;

/// How often memory is looked at, while it is far from a threshold.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// And how often at most, while it comes nearer.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(5);

/// Every record has to be looked at to know what is in use.
const IN_USE_EVERY: Duration = Duration::from_secs(1);

/// Limits may change, if rarely.
const LIMITS_EVERY: Duration = Duration::from_secs(10);

/// See the module's description.
#[derive(Debug)]
pub(super) struct Watch {
    statm: StatmFile,
    limits: Limits,
    limits_at: Instant,
    resident: Option<Watched>,
    in_use: Option<Watched>,
    in_use_at: Option<Instant>,
    at_most_every: Duration,
    last_dump: Option<Instant>,
    pace: Pace,
}

/// How soon to look again.
#[derive(Debug, Default)]
struct Pace {
    /// Bytes at the look before, and when that was.
    before: Option<(u64, Instant)>,
    patience: Option<Duration>,
}

impl Pace {
    /// Sleeps for half the time that it would take to the threshold if memory went
    /// on growing as it did since the look before.
    fn set(&mut self, now: Instant, bytes: u64, threshold: u64) {
        let before = self.before.replace((bytes, now));
        self.patience = before.and_then(|(before, at)| {
            let (grown, missing) = (bytes.checked_sub(before)?, threshold.checked_sub(bytes)?);
            let time = (now - at).as_secs_f64() * missing as f64 / grown as f64;
            Duration::try_from_secs_f64(time / 2.0).ok()
        });
    }

    fn patience(&self) -> Duration {
        let patience = self.patience.unwrap_or(LOOK_EVERY);
        patience.clamp(LOOK_AT_MOST_EVERY, LOOK_EVERY)
    }
}

#[derive(Debug)]
struct Watched {
    unit: Unit,
    steps: Steps,
    /// Reached while it was too early for another dump.
    value: u64,
}

impl Watched {
    fn new(threshold: Threshold) -> Self {
        Self {
            unit: threshold.unit,
            steps: Steps::new(threshold),
            value: 0,
        }
    }

    fn is_due(&mut self, bytes: u64, limit_bytes: Option<u64>) -> bool {
        self.value = match self.unit {
            Unit::Bytes => bytes,
            Unit::Percent => limit_bytes.map_or(0, |limit| percent(bytes, limit)),
        };
        self.steps.is_due(self.value)
    }

    /// The next threshold in bytes.
    fn next_bytes(&self, limit_bytes: Option<u64>) -> u64 {
        let next = self.steps.next();
        match (self.unit, limit_bytes) {
            (Unit::Bytes, _) => next,
            (Unit::Percent, Some(limit)) => (next as f64 / 100.0 * limit as f64) as u64,
            (Unit::Percent, None) => u64::MAX,
        }
    }
}

fn percent(bytes: u64, limit: u64) -> u64 {
    let percent = u128::from(bytes) * 100 / u128::from(limit.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}

impl Watch {
    /// `None` if there is nothing to watch.
    pub(super) fn new(when: &When) -> Result<Option<Self>, Error> {
        if when.resident.is_none() && when.in_use.is_none() {
            return Ok(None);
        }
        let statm = StatmFile::open().map_err(|error| {
            Error::Trigger(format!(
                "a threshold needs /proc/self/statm to be readable: {error}"
            ))
        })?;
        Ok(Some(Self {
            statm,
            limits: Limits::find(),
            limits_at: Instant::now(),
            resident: when.resident.map(Watched::new),
            in_use: when.in_use.map(Watched::new),
            in_use_at: None,
            at_most_every: when.at_most_every,
            last_dump: None,
            pace: Pace::default(),
        }))
    }

    /// Is it time for a dump on a threshold? If one is written, or cannot be,
    /// [`dumped`](Self::dumped) is to be called.
    pub(super) fn look(&mut self, now: Instant) -> Option<Reason> {
        if self
            .last_dump
            .is_some_and(|last| now - last < self.at_most_every)
        {
            return None;
        }
        if now - self.limits_at >= LIMITS_EVERY {
            self.limits = Limits::find();
            self.limits_at = now;
        }
        let process = self.statm.read().ok()?;
        if self.is_resident_due(now, &process) {
            return Some(Reason::Resident);
        }
        self.is_in_use_due(now, &process).then_some(Reason::InUse)
    }

    /// How long to wait before the next look.
    pub(super) fn patience(&self) -> Duration {
        self.pace.patience()
    }

    fn is_resident_due(&mut self, now: Instant, process: &Statm) -> bool {
        let Some(watched) = &mut self.resident else {
            return false;
        };
        let (bytes, limit) = match watched.unit {
            Unit::Bytes => (process.resident_bytes, None),
            Unit::Percent => match self.limits.nearest(process) {
                Some(taken) => (taken.bytes, Some(taken.limit_bytes)),
                None => return false,
            },
        };
        let is_due = watched.is_due(bytes, limit);
        self.pace.set(now, bytes, watched.next_bytes(limit));
        is_due
    }

    fn is_in_use_due(&mut self, now: Instant, process: &Statm) -> bool {
        let Some(watched) = &mut self.in_use else {
            return false;
        };
        if self.in_use_at.is_some_and(|last| now - last < IN_USE_EVERY) {
            return false;
        }
        self.in_use_at = Some(now);
        let limit = match watched.unit {
            Unit::Bytes => None,
            Unit::Percent => self.limits.nearest(process).map(|taken| taken.limit_bytes),
        };
        watched.is_due(in_use_bytes(), limit)
    }

    /// There was a dump for this reason, or an attempt.
    pub(super) fn dumped(&mut self, reason: Reason, now: Instant) {
        self.last_dump = Some(now);
        let watched = match reason {
            Reason::InUse => &mut self.in_use,
            _ => &mut self.resident,
        };
        if let Some(watched) = watched {
            watched.steps.advance(watched.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_sooner_the_sooner_the_threshold_is_reached() {
        let start = Instant::now();
        let mut at = start;
        let mut pace = Pace::default();
        // A byte in each microsecond, and a million of them to the threshold.
        let mut looks = Vec::new();
        while at - start < Duration::from_secs(1) {
            pace.set(at, (at - start).as_micros() as u64, 1_000_000);
            looks.push(pace.patience().as_millis());
            at += pace.patience();
        }
        assert!(looks[..8].iter().all(|&millis| millis == 100), "{looks:?}");
        assert!(looks.is_sorted_by(|a, b| a >= b), "{looks:?}");
        assert!(at - start <= Duration::from_millis(1005), "{looks:?}");
        assert!(looks.len() < 20, "{looks:?}");
        // It shrinks, it stands still, it is beyond.
        for bytes in [5, 5, 2_000_000] {
            pace.set(at, bytes, 1_000_000);
            assert_eq!(pace.patience(), LOOK_EVERY);
        }
    }

    #[test]
    fn percents_are_of_the_limit() {
        assert_eq!(percent(799, 1000), 79);
        assert_eq!(percent(800, 1000), 80);
        assert_eq!(percent(u64::MAX, 1), u64::MAX);
        assert_eq!(percent(1, 0), 100);
    }

    #[test]
    fn resident_memory_is_due_once_for_each_step_and_not_too_often() {
        let when = When {
            resident: Some(Threshold::bytes(1).step(1 << 40)),
            at_most_every: Duration::from_secs(5),
            ..When::default()
        };
        let mut watch = Watch::new(&when).unwrap().unwrap();
        let start = Instant::now();
        assert_eq!(watch.look(start), Some(Reason::Resident));
        watch.dumped(Reason::Resident, start);
        assert_eq!(watch.look(start + Duration::from_secs(6)), None);

        let when = When {
            resident: Some(Threshold::bytes(1).step(1)),
            ..when
        };
        let mut watch = Watch::new(&when).unwrap().unwrap();
        assert_eq!(watch.look(start), Some(Reason::Resident));
        // As if there had been hardly any yet.
        watch.resident.as_mut().unwrap().value = 1;
        watch.dumped(Reason::Resident, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.look(after(4)), None, "too early");
        assert_eq!(watch.look(after(5)), Some(Reason::Resident));
        assert!(Watch::new(&When::default()).unwrap().is_none());
    }
}
