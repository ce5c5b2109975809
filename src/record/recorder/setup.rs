//! The recorder's part in setting up: the interval and whatever else holds from the
//! first allocation on.

use core::mem::MaybeUninit;

use super::Recorder;
use crate::record::below::Below;
use crate::record::capture::Unwinder;
use crate::record::environment::{self, Interval};
use crate::record::sync::Ordering;
use crate::record::thread::{self, Thread};

/// What the builder of the allocator chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuiltIn {
    pub(crate) sample_interval: u64,
    pub(crate) memory_limit_bytes: u64,
    pub(crate) unwinder: Unwinder,
    /// The name of its type.
    pub(crate) allocator: fn() -> &'static str,
    pub(crate) labels_threads: bool,
}

impl Recorder {
    pub(crate) fn is_prepared(&self) -> bool {
        self.preparation.is_done()
    }

    /// The first allocation of the program: settles the interval. No thread
    /// waits for another; until it is settled, allocations pass unsampled.
    #[cold]
    pub(super) fn prepare(&self, built_in: &BuiltIn) {
        self.preparation.run_once(|| {
            let _busy = thread::busy();
            self.arena.set_limit(built_in.memory_limit_bytes);
            self.live.prepare(&self.arena, self.process_generation());
            self.stacks.prepare(&self.arena);
            self.unwinder
                .store(built_in.unwinder as u32, Ordering::Relaxed);
            let below = Below::of_type((built_in.allocator)());
            self.below.store(below as u32, Ordering::Relaxed);
            self.label_threads(built_in.labels_threads);
            let interval = match environment::sample_interval() {
                Interval::Unset => built_in.sample_interval,
                Interval::Unreadable => {
                    self.tallies
                        .unreadable_environment
                        .store(1, Ordering::Relaxed);
                    built_in.sample_interval
                }
                Interval::Bytes(bytes) => bytes,
                Interval::Invalid => {
                    environment::complain();
                    self.tallies.invalid_environment.store(1, Ordering::Relaxed);
                    built_in.sample_interval
                }
            };
            self.set_interval(interval);
        });
    }

    /// Changes the interval: on the calling thread at once, on others within
    /// 1 MiB of allocations.
    pub(crate) fn change_interval(&self, bytes: u64) {
        self.set_interval(bytes);
        Thread::with(|thread| {
            if thread.has_drawn() {
                thread.draw_gap(&self.settings.0);
            }
        });
    }

    fn set_interval(&self, bytes: u64) {
        self.settings.0.set_interval(bytes);
    }

    /// The allocator that the first allocation went to.
    pub(crate) fn below(&self) -> Below {
        // Relaxed: a number that stands alone.
        Below::from_u32(self.below.load(Ordering::Relaxed))
    }

    pub(crate) fn interval(&self) -> u64 {
        self.settings.0.interval()
    }

    /// A seed for a new thread's gaps, unlike any other's.
    pub(super) fn seed(&self) -> u64 {
        let thread = self.threads_seen.fetch_add(1, Ordering::Relaxed);
        process_seed() ^ thread.wrapping_add(1).wrapping_mul(0xD1B5_4A32_D192_ED03)
    }
}

/// Random bits that differ between runs; with `--cfg heapprof_seed`, which is for
/// studies of the sampler itself, the same in each.
fn process_seed() -> u64 {
    if cfg!(heapprof_seed) {
        return 0;
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: asks for a number.
        let random = unsafe { libc::getauxval(libc::AT_RANDOM) } as *const u64;
        if !random.is_null() {
            // SAFETY: the kernel left 16 random bytes there, for the process's whole life.
            return unsafe { random.read_unaligned() };
        }
    }
    // Elsewhere the layout of the address space will do.
    let here = MaybeUninit::<u8>::uninit();
    here.as_ptr().addr() as u64
}
