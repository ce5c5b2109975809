#![forbid(unsafe_code)]
//! The profiles that are looked up by name.

use std::borrow::Cow;

use http::StatusCode;

use super::answer::{self, Answer};
use crate::error::Error;
use crate::export::{PprofOptions, View};
use crate::snapshot::Snapshot;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Heap(View),
}

/// What one of them held at a moment, or how that changed.
#[derive(Debug)]
pub(super) enum Collected {
    Heap(Snapshot, View),
}

impl Named {
    /// In the order of their names.
    pub(super) const ALL: [Self; 2] = [Self::Heap(View::Allocs), Self::Heap(View::InUse)];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|named| named.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Heap(View::InUse) => "heap",
            Self::Heap(View::Allocs) => "allocs",
        }
    }

    /// How many records it has.
    pub(super) fn count(self) -> usize {
        match self {
            Self::Heap(_) => Snapshot::take().map_or(0, |snapshot| snapshot.records().len()),
        }
    }

    /// In profiles, `debug` 0, or as text. What cannot be collected is said.
    pub(super) fn answer(self, debug: i64) -> Answer {
        let made = self.collect().and_then(|collected| match debug {
            0 => Ok(answer::profile(self.name(), collected.to_profile()?)),
            _ => Ok(answer::text(collected.to_text())),
        });
        made.unwrap_or_else(|error| cannot_collect(&error))
    }

    pub(super) fn collect(self) -> Result<Collected, Error> {
        Ok(match self {
            Self::Heap(view) => Collected::Heap(Snapshot::take()?, view),
        })
    }
}

impl Collected {
    /// What changed since an earlier collection of the same profile.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        match (self, earlier) {
            (Self::Heap(snapshot, view), Self::Heap(earlier, _)) => {
                Self::Heap(snapshot.since(earlier), *view)
            }
        }
    }

    pub(super) fn to_profile(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        match self {
            Self::Heap(snapshot, view) => {
                snapshot.write_pprof(&mut bytes, PprofOptions::default().view(*view))?;
            }
        }
        Ok(bytes)
    }

    fn to_text(&self) -> String {
        match self {
            Self::Heap(snapshot, _) => snapshot.to_text(),
        }
    }
}

/// In Go's words first.
pub(super) fn cannot_collect(error: &Error) -> Answer {
    let text: Cow<str> = format!("failed to collect profile: {error}").into();
    answer::error(StatusCode::INTERNAL_SERVER_ERROR, &text)
}
