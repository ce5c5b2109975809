//! What tells most pointers from sampled blocks at the price of one compare: the
//! low address bits that are zero in every sampled small block.
//!
//! # Atomic orderings
//! Relaxed throughout. The mask only ever gets finer. A thread that allocates
//! reads it before the block exists; one that frees reads it after; the program
//! orders the two, so by coherence the freeing thread sees the same mask or a
//! finer one, which the block passes as well.

use super::sync::{AtomicUsize, Ordering};

/// See the module's description. Read at every free, and written at changes of
/// the interval only.
#[derive(Debug)]
pub(crate) struct AddressFilter {
    /// The alignment less one; all ones as long as there is no sampled block.
    mask: AtomicUsize,
}

impl AddressFilter {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            mask: AtomicUsize::new(usize::MAX),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            mask: AtomicUsize::new(usize::MAX),
        }
    }

    /// Can a small block at this address be a sampled one? False is certain.
    #[inline(always)]
    pub(crate) fn passes(&self, address: usize) -> bool {
        address & self.mask.load(Ordering::Relaxed) == 0
    }

    /// What a block must be aligned to, to pass.
    pub(crate) fn align(&self) -> usize {
        // All ones wrap around to 0: then nothing is sampled, and 1 will do.
        self.mask.load(Ordering::Relaxed).wrapping_add(1).max(1)
    }

    /// From now on blocks aligned to `align`, a power of two, pass too.
    pub(crate) fn refine(&self, align: usize) {
        self.mask
            .fetch_min(align.wrapping_sub(1), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_ever_gets_finer() {
        let filter = AddressFilter::new();
        assert!(!filter.passes(4096) && filter.align() == 1);
        filter.refine(4096);
        assert!(filter.passes(8192) && !filter.passes(2048) && filter.align() == 4096);
        filter.refine(64);
        filter.refine(4096);
        assert!(filter.passes(192) && !filter.passes(32) && filter.align() == 64);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// A block goes from the thread that samples it to one that frees it, while a
    /// third makes the filter finer.
    #[test]
    fn loom_a_sampled_block_passes_wherever_it_is_freed() {
        model(|| {
            let shared = Arc::new((AddressFilter::new(), AtomicUsize::new(0)));
            shared.0.refine(4096);
            let refiner = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.0.refine(64);
                    // A coarser interval takes nothing back.
                    shared.0.refine(4096);
                })
            };
            let allocator = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // As little aligned as is allowed. Release: the program hands it over.
                    let address = 3 * shared.0.align();
                    shared.1.store(address, Ordering::Release);
                })
            };
            // Acquire: the program takes it.
            let address = shared.1.load(Ordering::Acquire);
            assert!(address == 0 || shared.0.passes(address));
            allocator.join().unwrap();
            refiner.join().unwrap();
            assert!(shared.0.passes(shared.1.load(Ordering::Acquire)));
        });
    }
}
