#![forbid(unsafe_code)]
//! `labels`: by what a heap profile is to tell memory apart, beside the stack and the
//! size.

use super::answer::{self, Answer};
use super::named::{self, Named};
use super::query::Query;
use crate::dump::{dump_ages, dump_lifetimes};
use crate::error::Error;
use crate::export::View;
use crate::snapshot::for_each_record;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// Those that are recorded, which every profile has.
    Recorded,
    /// How long what is in use has been.
    WithAge,
    /// How long what was freed had been.
    WithLifetime,
}

impl Labels {
    /// Of a profile with that name, or what is wrong with the request. Profiles of
    /// anything else have no such parameter.
    pub(super) fn of(named: Named, query: &Query) -> Result<Self, &'static str> {
        let (Named::Heap(view), Some(asked)) = (named, query.first("labels")) else {
            return Ok(Self::Recorded);
        };
        let mut labels = Self::Recorded;
        for label in asked.split(',') {
            match (label, view) {
                ("age", View::InUse) => labels = Self::WithAge,
                ("lifetime", View::Allocs) => labels = Self::WithLifetime,
                ("thread", _) if !are_threads_told_apart() => return Err(NO_THREADS),
                ("thread", _) => {}
                (_, View::InUse) => return Err(NEITHER_AGE_NOR_THREAD),
                (_, View::Allocs) => return Err(NEITHER_LIFETIME_NOR_THREAD),
                (_, View::Peak) => return Err(NOT_THREAD),
            }
        }
        if query.debug() != 0 {
            return Err("labels and debug params are incompatible");
        }
        match labels {
            Self::WithAge if query.seconds().is_some() => {
                Err("seconds and labels=age params are incompatible")
            }
            Self::WithLifetime if query.seconds().is_some() => {
                Err("seconds and labels=lifetime params are incompatible")
            }
            _ => Ok(labels),
        }
    }
}

const NEITHER_AGE_NOR_THREAD: &str = "invalid value for \"labels\" - must be age or thread";
const NEITHER_LIFETIME_NOR_THREAD: &str =
    "invalid value for \"labels\" - must be lifetime or thread";
const NOT_THREAD: &str = "invalid value for \"labels\" - must be thread";
const NO_THREADS: &str = "no names of threads are on record; \
     heapprof::Alloc::with_thread_labels() or heapprof::label_threads(true) records them";

/// The heap with the age of what is in use.
pub(super) fn heap_with_ages() -> Answer {
    profile(View::InUse, dump_ages())
}

/// All allocations with the lifetime of what was freed.
pub(super) fn allocs_with_lifetimes() -> Answer {
    profile(View::Allocs, dump_lifetimes())
}

fn profile(view: View, made: Result<Vec<u8>, Error>) -> Answer {
    match made {
        Ok(bytes) => answer::profile(Named::Heap(view).name(), bytes),
        Err(error) => named::cannot_collect(&error),
    }
}

fn are_threads_told_apart() -> bool {
    let mut has_name = false;
    // Without the allocator there are no records.
    let _ = for_each_record(|record| has_name |= record.has_thread_name());
    has_name
}
