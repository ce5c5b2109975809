#![forbid(unsafe_code)]
//! Allocations in tests: exact counts around a closure, and assertions whose failure
//! names the stacks.
//!
//! ```
//! #[global_allocator]
//! static ALLOC: heapprof::Alloc = heapprof::Alloc::system();
//!
//! # fn main() {
//! // #[test]
//! fn joining_allocates_once() {
//!     let words = ["a", "b", "c"];
//!     let report = heapprof::testing::measure(|| words.join(" "));
//!     report
//!         .assert_allocations_at_most(1)
//!         .assert_peak_bytes_at_most(5)
//!         .assert_no_leaks();
//! }
//! # joining_allocates_once();
//! # }
//! ```
//!
//! Each file in `tests/` is a program of its own, and so are the unit tests of a
//! library: register the allocator in each of them, the latter under `#[cfg(test)]`.
//!
//! # What is counted
//! - Every allocation that the **calling thread** makes while the closure runs, with the
//!   size that was asked for; none by chance. Tests that run in parallel do not see each
//!   other. Threads that work for the closure are counted where they say so:
//!   [`Measurement::include`].
//! - A **realloc** is a free of the old size and an allocation of the new, whether the
//!   block moved or not.
//! - A **free** counts by the block: on whatever thread a block is freed that was
//!   allocated for the closure, it is not left. Blocks from before it are not its
//!   business: their frees change nothing, and one that the closure makes grow counts
//!   with its new size, as an allocation.
//! - Measurements **nest**: what an inner one counts, the outer one counts too.
//! - What the closure sets up for good (a lazily made static, a thread-local, a line
//!   that the test harness captures) is counted and is left; a first call outside of the
//!   measurement keeps it out.
//! - Not seen is what does not pass through Rust's global allocator, and what the profiler
//!   itself does, a profile written inside the closure for one.
//!
//! # What it costs
//! About half a microsecond for each allocation, whose stack is walked, and a quarter of a
//! millisecond for each measurement. Nothing anywhere else: other threads, and this one
//! before and after, sample as they always do. What was counted exactly is in the
//! profiles of the whole program too, each allocation once, so those stay unbiased; with
//! an interval of 0 it is all there is in them.

mod report;
mod stacks;

use std::panic::Location;

use crate::error::Error;
use crate::record::account;
use crate::record::recorder::RECORDER;
use crate::record::thread::{self, Thread};
use crate::snapshot::{Snapshot, ensure_registered};
pub use report::Report;

/// Counts what `closure` allocates. What it returns is dropped while counting goes on,
/// so that it is not taken for a leak; [`measure_and_keep`] keeps it.
///
/// What is counted, and what it costs: see [the module](self).
///
/// # Panics
/// If heapprof is not the program's global allocator, if its tables are full
/// ([`with_memory_limit`](crate::Alloc::with_memory_limit)), and if `closure` does.
#[track_caller]
pub fn measure<T>(closure: impl FnOnce() -> T) -> Report {
    count(Location::caller(), |account| run_and_drop(account, closure)).1
}

/// Counts what `closure` allocates, and returns what it returns. What that holds is
/// still there when counting ends: it is left, as [`Report::leaked_bytes`] has it.
///
/// # Panics
/// Those of [`measure`].
#[track_caller]
pub fn measure_and_keep<T>(closure: impl FnOnce() -> T) -> (T, Report) {
    count(Location::caller(), |account| run(account, closure))
}

#[track_caller]
fn count<T>(at: &'static Location<'static>, work: impl FnOnce(u32) -> T) -> (T, Report) {
    let account = OpenAccount::new();
    let before = account.snapshot();
    let value = work(account.id);
    let balance = RECORDER.accounts().balance(account.id);
    let report = Report::new(at, balance, account.snapshot().since(&before));
    (value, report)
}

/// The measurement that the calling thread is counted for; none outside of any.
pub fn current() -> Option<Measurement> {
    let id = Thread::with(Thread::account);
    (id != account::NONE).then(|| {
        RECORDER.accounts().join(id);
        Measurement {
            account: OpenAccount { id },
        }
    })
}

/// A measurement that other threads can be counted for.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: heapprof::Alloc = heapprof::Alloc::system();
/// use heapprof::testing;
///
/// # fn main() {
/// let report = testing::measure(|| {
///     let measurement = testing::current().expect("inside of one");
///     std::thread::scope(|scope| {
///         scope.spawn(move || measurement.include(|| vec![0_u8; 1000]));
///     });
/// });
/// assert!(report.allocated_bytes() >= 1000);
/// # }
/// ```
///
/// What a thread takes to be started and to end is not inside of what it includes.
#[derive(Debug)]
pub struct Measurement {
    account: OpenAccount,
}

impl Measurement {
    /// Counts what the calling thread allocates while `work` runs for this measurement
    /// and those around it, and for no other. A measurement ends with its closure: what
    /// happens later is not in its report.
    pub fn include<T>(&self, work: impl FnOnce() -> T) -> T {
        run(self.account.id, work)
    }
}

impl Clone for Measurement {
    fn clone(&self) -> Self {
        RECORDER.accounts().join(self.account.id);
        Self {
            account: OpenAccount {
                id: self.account.id,
            },
        }
    }
}

/// Keeps an account open while it lives.
#[derive(Debug)]
struct OpenAccount {
    id: u32,
}

impl OpenAccount {
    #[track_caller]
    fn new() -> Self {
        let _busy = thread::busy();
        match ensure_registered() {
            Ok(()) => {}
            Err(Error::NotRegistered) => panic!(
                "allocations cannot be counted: heapprof is not this program's global allocator; \
                 add to the test (each file in tests/ is a program; in a library's unit tests, \
                 under #[cfg(test)]):\n\
                 \x20   #[global_allocator]\n\
                 \x20   static ALLOC: heapprof::Alloc = heapprof::Alloc::system();"
            ),
            Err(error) => panic!("allocations cannot be counted: {error}"),
        }
        match RECORDER.open_account() {
            Some(id) => Self { id },
            None => panic!("allocations cannot be counted: {}", report::TABLES_ARE_FULL),
        }
    }

    /// What was recorded for it until now.
    fn snapshot(&self) -> Snapshot {
        Snapshot::take_of_account(self.id).expect("it was registered when this was opened")
    }
}

impl Drop for OpenAccount {
    fn drop(&mut self) {
        RECORDER.accounts().leave(self.id);
    }
}

// The outermost functions of what is counted: stacks are shown up to them.

#[inline(never)]
fn run_and_drop<T>(account: u32, work: impl FnOnce() -> T) {
    let _charged = thread::charge_to(account);
    drop(work());
}

#[inline(never)]
fn run<T>(account: u32, work: impl FnOnce() -> T) -> T {
    let _charged = thread::charge_to(account);
    work()
}
