#![forbid(unsafe_code)]
//! Profiles other than the heap's, under the names and units that Go gives them.

use std::time::{Duration, SystemTime};

use super::Symbols;
use super::pprof::{self, Header, ValueType};
use super::profile::{Hide, Profile, Stack, Values};
use crate::record::thread;
use crate::snapshot;

/// When a profile was taken, or when it began and how long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) at: SystemTime,
    pub(crate) duration: Option<Duration>,
}

impl When {
    pub(crate) fn at(at: SystemTime) -> Self {
        Self { at, duration: None }
    }

    /// Of a change between the two.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let duration = self.at.duration_since(earlier.at).unwrap_or_default();
        Self {
            at: self.at,
            duration: Some(duration),
        }
    }
}

/// What a profile counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Samples and nanoseconds, a sample every so many of them.
    #[cfg_attr(not(all(feature = "cpu", interrupts)), allow(dead_code))]
    Cpu {
        period: Duration,
    },
    Goroutine,
    Threadcreate,
    /// Of `block` and `mutex` alike: how often somebody waited, and for how long.
    Contentions,
}

impl Kind {
    /// One for each value of a stack.
    fn sample_types(self) -> &'static [ValueType] {
        match self {
            Self::Cpu { .. } => &[("samples", "count"), ("cpu", "nanoseconds")],
            Self::Goroutine => &[("goroutine", "count")],
            Self::Threadcreate => &[("threadcreate", "count")],
            Self::Contentions => &[("contentions", "count"), ("delay", "nanoseconds")],
        }
    }

    fn period(self) -> (ValueType, i64) {
        let types = self.sample_types();
        match self {
            Self::Cpu { period } => (
                types[1],
                i64::try_from(period.as_nanos()).unwrap_or(i64::MAX),
            ),
            _ => (types[0], 1),
        }
    }
}

/// A profile of what is loaded now, all frames shown.
pub(crate) fn profile<V: Values>(stacks: Vec<Stack<'_, V>>) -> Profile<V> {
    Profile::new(stacks, &snapshot::modules(), Symbols::Full, Hide::Nothing)
}

/// The stacks as `go tool pprof` reads them, with comments on what limits them.
pub(crate) fn encode<V: Values>(
    kind: Kind,
    when: When,
    stacks: Vec<Stack<'_, V>>,
    comments: Vec<String>,
) -> Vec<u8> {
    let _busy = thread::busy();
    let profile = profile(stacks);
    let (period_type, period) = kind.period();
    let missing = profile
        .problems
        .iter()
        .map(|p| format!("no names from {p}"));
    let comments = comments.into_iter().chain(missing);
    let header = Header {
        sample_types: kind.sample_types(),
        default_sample_type: None,
        period_type,
        period,
        taken_at: when.at,
        duration: when.duration,
        drop_frames: None,
        comments: comments
            .map(|comment| format!("heapprof: {comment}"))
            .collect(),
    };
    pprof::to_bytes(&header, &profile)
}
