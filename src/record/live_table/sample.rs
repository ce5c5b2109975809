//! What the live table knows of a sampled block.

use core::ptr;

use crate::record::stack_table::Node;
use crate::record::sync::{AtomicPtr, AtomicU64, Ordering};

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
    _spare: AtomicU64,
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
            _spare: AtomicU64::new(0),
        }
    }

    pub(super) fn write(&self, sample: &LiveSample) {
        // Relaxed, here and in `read`: the key's Release store publishes them,
        // and its clearing keeps the next writer off.
        self.node
            .store(ptr::from_ref(sample.node).cast_mut(), Ordering::Relaxed);
        self.size.store(sample.size as u64, Ordering::Relaxed);
        self.objects.store(sample.objects, Ordering::Relaxed);
        self.bytes.store(sample.bytes, Ordering::Relaxed);
        self.born.store(sample.born, Ordering::Relaxed);
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
