#![forbid(unsafe_code)]
//! The profiles that are looked up by name.

use http::StatusCode;

use super::answer::{self, Answer};
use super::numbers::{NoContentions, ThreadCount};
use super::threads::Threads;
use crate::export::{PprofOptions, View};
use crate::snapshot::Snapshot;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Block,
    Goroutine,
    Heap(View),
    Mutex,
    Threadcreate,
}

/// What one of them held at a moment, or how that changed.
#[derive(Debug)]
pub(super) enum Collected {
    Contentions(NoContentions),
    Heap(Box<Snapshot>, View),
    ThreadCount(ThreadCount),
    Threads(Threads),
}

/// Why one could not be collected.
pub(super) type CollectError = Box<dyn std::error::Error>;

impl Named {
    /// In the order of their names.
    pub(super) const ALL: [Self; 7] = [
        Self::Heap(View::Allocs),
        Self::Block,
        Self::Goroutine,
        Self::Heap(View::InUse),
        Self::Mutex,
        Self::Heap(View::Peak),
        Self::Threadcreate,
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|named| named.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Heap(View::Allocs) => "allocs",
            Self::Block => "block",
            Self::Goroutine => "goroutine",
            Self::Heap(View::InUse) => "heap",
            Self::Mutex => "mutex",
            Self::Heap(View::Peak) => "peak",
            Self::Threadcreate => "threadcreate",
        }
    }

    /// In profiles, `debug` 0, or as text. What cannot be collected is said.
    pub(super) fn answer(self, debug: i64) -> Answer {
        match self.collect() {
            Ok(collected) if debug == 0 => answer::profile(self.name(), collected.to_profile()),
            Ok(collected) => answer::text(collected.to_text(debug)),
            Err(error) => cannot_collect(&*error),
        }
    }

    pub(super) fn collect(self) -> Result<Collected, CollectError> {
        Ok(match self {
            Self::Block => Collected::Contentions(NoContentions::of_block()),
            Self::Goroutine => Collected::Threads(Threads::take()?),
            Self::Heap(view) => Collected::Heap(Box::new(Snapshot::take()?), view),
            Self::Mutex => Collected::Contentions(NoContentions::of_mutex()),
            Self::Threadcreate => Collected::ThreadCount(ThreadCount::take()?),
        })
    }
}

impl Collected {
    /// What changed since an earlier collection of the same profile.
    pub(super) fn since(self, earlier: &Self) -> Self {
        match (self, earlier) {
            (Self::Contentions(none), Self::Contentions(earlier)) => {
                Self::Contentions(none.since(earlier))
            }
            (Self::Heap(snapshot, view), Self::Heap(earlier, _)) => {
                Self::Heap(Box::new(snapshot.since(earlier)), view)
            }
            (Self::ThreadCount(count), Self::ThreadCount(earlier)) => {
                Self::ThreadCount(count.since(earlier))
            }
            (Self::Threads(threads), Self::Threads(earlier)) => {
                Self::Threads(threads.since(earlier))
            }
            (other, _) => other,
        }
    }

    pub(super) fn to_profile(&self) -> Vec<u8> {
        match self {
            Self::Contentions(none) => none.to_profile(),
            Self::Heap(snapshot, view) => snapshot.to_pprof(PprofOptions::default().view(*view)),
            Self::ThreadCount(count) => count.to_profile(),
            Self::Threads(threads) => threads.to_profile(),
        }
    }

    /// `debug` is 1, or 2 or more for all there is to say.
    fn to_text(&self, debug: i64) -> String {
        match self {
            Self::Contentions(none) => none.to_text(),
            Self::Heap(snapshot, view) => snapshot.to_text(*view),
            Self::ThreadCount(count) => count.to_text(),
            Self::Threads(threads) if debug >= 2 => threads.to_list(),
            Self::Threads(threads) => threads.to_text(),
        }
    }
}

/// In Go's words first.
pub(super) fn cannot_collect(error: &dyn std::error::Error) -> Answer {
    answer::error(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!("failed to collect profile: {error}"),
    )
}
