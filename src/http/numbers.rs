#![forbid(unsafe_code)]
//! Profiles without stacks: how many threads there are, and the waiting that
//! nobody recorded.

use std::io;
use std::time::SystemTime;

use crate::export::kinds::{self, Kind, When};
use crate::export::profile::Stack;
use crate::tasks;

/// As Go's `threadcreate`: how many threads there are, or by how much that changed.
#[derive(Debug)]
pub(super) struct ThreadCount {
    count: i64,
    when: When,
}

impl ThreadCount {
    /// # Errors
    /// Where there is no `/proc`.
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self {
            count: i64::try_from(tasks::list()?.len()).unwrap_or(i64::MAX),
            when: When::at(SystemTime::now()),
        })
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            count: self.count - earlier.count,
            when: self.when.since(&earlier.when),
        }
    }

    /// One record, without a stack.
    pub(super) fn to_profile(&self) -> Vec<u8> {
        let all = Stack {
            frames: &[],
            module_generation: 0,
            note: None,
            labels: Vec::new(),
            values: [self.count],
        };
        kinds::encode(Kind::Threadcreate, self.when, vec![all], Vec::new())
    }

    pub(super) fn to_text(&self) -> String {
        let count = self.count;
        // pprof reads no line without an address.
        format!("threadcreate profile: total {count}\n{count} @ 0x0\n\n")
    }
}

/// As Go's `block` and `mutex` are while nothing is recorded.
#[derive(Debug)]
pub(super) struct NoContentions {
    when: When,
    head: &'static str,
}

impl NoContentions {
    pub(super) fn of_block() -> Self {
        Self {
            when: When::at(SystemTime::now()),
            head: "--- contention:\ncycles/second=1000000000\n",
        }
    }

    pub(super) fn of_mutex() -> Self {
        Self {
            when: When::at(SystemTime::now()),
            head: "--- mutex:\ncycles/second=1000000000\nsampling period=0\n",
        }
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            when: self.when.since(&earlier.when),
            head: self.head,
        }
    }

    pub(super) fn to_profile(&self) -> Vec<u8> {
        kinds::encode(
            Kind::Contentions,
            self.when,
            Vec::<Stack<[i64; 2]>>::new(),
            Vec::new(),
        )
    }

    pub(super) fn to_text(&self) -> String {
        self.head.to_owned()
    }
}
