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
///
/// Fails if there was but one. loom takes the loads of the thread that it begins with
/// for ordered before everything: a thread that only reads has to be one that is
/// spawned.
#[cfg(all(test, loom))]
pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
    let explored = std::sync::Arc::new(core::sync::atomic::AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    let count = std::sync::Arc::clone(&explored);
    builder.check(move || {
        count.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        f();
    });
    assert!(explored.load(core::sync::atomic::Ordering::Relaxed) > 1);
}
