#![forbid(unsafe_code)]
//! What was counted, and what may be asserted of it.

use std::fmt;
use std::panic::Location;

use super::stacks::{Rank, Stacks};
use crate::record::account::Balance;
use crate::snapshot::Snapshot;

/// Why counts would not be exact, and what helps.
pub(super) const TABLES_ARE_FULL: &str = "the profiler's tables are full; \
    give them more room with `Alloc::system().with_memory_limit(bytes)`";

/// What a closure allocated, exactly. Shown with `{}`: the figures, and the stacks that
/// allocated most often.
///
/// Assertions return the report, so that several can follow each other.
#[derive(Clone, Debug)]
pub struct Report {
    at: &'static Location<'static>,
    balance: Balance,
    snapshot: Snapshot,
}

impl Report {
    #[track_caller]
    pub(super) fn new(
        at: &'static Location<'static>,
        balance: Balance,
        snapshot: Snapshot,
    ) -> Self {
        assert!(
            balance.lost == 0,
            "{} allocations could not be counted: {TABLES_ARE_FULL}",
            balance.lost
        );
        Self {
            at,
            balance,
            snapshot,
        }
    }

    /// Blocks asked for: allocations and reallocations.
    pub fn allocations(&self) -> u64 {
        self.balance.allocations
    }

    /// The bytes of those blocks, as they were asked for.
    pub fn allocated_bytes(&self) -> u64 {
        self.balance.allocated_bytes
    }

    /// The most bytes that were in use at once, of what the closure allocated. A block
    /// that is reallocated counts with one of its sizes, never with both.
    pub fn peak_bytes(&self) -> u64 {
        self.balance.peak_bytes
    }

    /// Blocks that were not freed when counting ended.
    pub fn leaked_objects(&self) -> u64 {
        self.balance.live_objects
    }

    /// The bytes of those blocks.
    pub fn leaked_bytes(&self) -> u64 {
        self.balance.live_bytes
    }

    /// The same stack by stack: what was allocated there, and what of it is left. To be
    /// looked at in a test, or written as a profile for `go tool pprof`:
    /// [`Snapshot::write_pprof`]. The totals in its statistics are those of its records,
    /// the rest is the whole program's.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// # Panics
    /// If more than `limit` blocks were asked for. The message names the stacks that
    /// asked most often.
    #[track_caller]
    pub fn assert_allocations_at_most(&self, limit: u64) -> &Self {
        let is_held = self.allocations() <= limit;
        self.check(is_held, Rank::Allocations, || {
            format!("at most {}", counted(limit, "allocation"))
        })
    }

    /// # Panics
    /// If more than `limit` bytes were asked for. The message names the stacks that asked
    /// for most.
    #[track_caller]
    pub fn assert_allocated_bytes_at_most(&self, limit: u64) -> &Self {
        let is_held = self.allocated_bytes() <= limit;
        self.check(is_held, Rank::AllocatedBytes, || {
            format!("at most {} allocated", counted(limit, "byte"))
        })
    }

    /// # Panics
    /// If more than `limit` bytes were in use at once. The message names the stacks that
    /// asked for most.
    #[track_caller]
    pub fn assert_peak_bytes_at_most(&self, limit: u64) -> &Self {
        let is_held = self.peak_bytes() <= limit;
        self.check(is_held, Rank::AllocatedBytes, || {
            format!("at most {} at once", counted(limit, "byte"))
        })
    }

    /// # Panics
    /// If a block was not freed. The message names the stacks that allocated what is left.
    #[track_caller]
    pub fn assert_no_leaks(&self) -> &Self {
        let is_held = self.leaked_objects() == 0;
        self.check(is_held, Rank::Leaked, || "nothing left".to_owned())
    }

    #[track_caller]
    fn check(&self, is_held: bool, rank: Rank, expectation: impl FnOnce() -> String) -> &Self {
        assert!(
            is_held,
            "expected {}, but {self:#}{}",
            expectation(),
            Stacks::new(&self.snapshot, rank)
        );
        self
    }
}

/// With `{:#}` the figures alone.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the closure at {} made {} of {}, at most {} at once; left are {} of {}",
            self.at,
            counted(self.allocations(), "allocation"),
            counted(self.allocated_bytes(), "byte"),
            counted(self.peak_bytes(), "byte"),
            counted(self.leaked_objects(), "block"),
            counted(self.leaked_bytes(), "byte"),
        )?;
        if f.alternate() {
            return Ok(());
        }
        Stacks::new(&self.snapshot, Rank::Allocations).fmt(f)
    }
}

pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
