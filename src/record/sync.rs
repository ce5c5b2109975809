//! The atomics of this floor: loom's under `--cfg loom`, so that every protocol
//! is explored by the model checker as it is written, and the ordinary ones
//! otherwise.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// A value on a cache line of its own, so that its writers do not slow down the
/// readers of its neighbours.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct OwnLine<T>(pub(crate) T);

/// Runs a model under every interleaving with few preemptions;
/// `LOOM_MAX_PREEMPTIONS` looks further.
#[cfg(all(test, loom))]
pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(f);
}
