//! What the live table knows of a sampled block.
//!
//! # Atomic orderings
//! A block's owner needs none here: the key's orderings serve. One who looks at every
//! block while others come and go reads a sequence lock. A writer, who has the slot to
//! itself, makes `turn` odd, then (a Release fence between) writes, and makes it even
//! with Release; a reader reads an even `turn` with Acquire, the key and the rest, then
//! (an Acquire fence between) the same `turn` again.

use core::ptr;

use crate::record::stack_table::Node;
use crate::record::sync::{AtomicPtr, AtomicU64, Ordering, fence};

/// A sampled block that is live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveSample {
    pub(crate) node: &'static Node,
    /// The size that was asked for.
    pub(crate) size: usize,
    /// What the sample stands for, as it was added to the node: objects in
    /// 1/1024ths.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// When it was allocated, by [`clock::now`](crate::record::clock::now).
    pub(crate) born: u64,
}

/// A [`LiveSample`] at rest.
#[derive(Debug)]
#[repr(C)]
pub(super) struct SampleCell {
    node: AtomicPtr<Node>,
    size: AtomicU64,
    objects: AtomicU64,
    bytes: AtomicU64,
    born: AtomicU64,
    /// Odd while a sample is written.
    turn: AtomicU64,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<SampleCell>() == 48);

impl SampleCell {
    #[cfg(loom)]
    pub(super) fn zeroed() -> Self {
        Self {
            node: AtomicPtr::new(ptr::null_mut()),
            size: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            born: AtomicU64::new(0),
            turn: AtomicU64::new(0),
        }
    }

    pub(super) fn write(&self, sample: &LiveSample) {
        // Relaxed, here and in `read`: the key's Release store publishes them,
        // and its clearing keeps the next writer off.
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        // Pairs with the fence in `read_if`.
        fence(Ordering::Release);
        self.node
            .store(ptr::from_ref(sample.node).cast_mut(), Ordering::Relaxed);
        self.size.store(sample.size as u64, Ordering::Relaxed);
        self.objects.store(sample.objects, Ordering::Relaxed);
        self.bytes.store(sample.bytes, Ordering::Relaxed);
        self.born.store(sample.born, Ordering::Relaxed);
        // Release pairs with the Acquire in `read_if`.
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
    }

    /// What is written here, if `is_taken` says that the slot is, and if both belong
    /// together. Asked by anyone.
    pub(super) fn read_if(&self, is_taken: impl FnOnce() -> bool) -> Option<LiveSample> {
        // Acquire pairs with the Release in `write`.
        let turn = self.turn.load(Ordering::Acquire);
        if turn & 1 == 1 || !is_taken() {
            return None;
        }
        let sample = self.read();
        // Pairs with the fence in `write`: whoever reads what a later writer wrote reads
        // its turn.
        fence(Ordering::Acquire);
        (self.turn.load(Ordering::Relaxed) == turn)
            .then_some(sample)
            .flatten()
    }

    pub(super) fn read(&self) -> Option<LiveSample> {
        Some(LiveSample {
            // SAFETY: null, or a node in the arena, which lasts for ever.
            node: unsafe { self.node.load(Ordering::Relaxed).as_ref() }?,
            size: self.size.load(Ordering::Relaxed) as usize,
            objects: self.objects.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            born: self.born.load(Ordering::Relaxed),
        })
    }
}
