//! Counts of what happened, for the statistics.

use crate::record::sync::AtomicU64;

/// See the module's description. Relaxed: each stands alone.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) lost_samples: AtomicU64,
    /// In 1/1024ths.
    pub(crate) lost_objects: AtomicU64,
    pub(crate) lost_bytes: AtomicU64,
    pub(crate) too_deep_stacks: AtomicU64,
    pub(crate) cut_stacks: AtomicU64,
    pub(crate) missing_stacks: AtomicU64,
    pub(crate) foreign_frees: AtomicU64,
    pub(crate) invalid_environment: AtomicU64,
    pub(crate) unreadable_environment: AtomicU64,
    pub(crate) refused_labels: AtomicU64,
    pub(crate) unknown_lifetimes: AtomicU64,
}

impl Tallies {
    pub(super) const fn new() -> Self {
        Self {
            lost_samples: AtomicU64::new(0),
            lost_objects: AtomicU64::new(0),
            lost_bytes: AtomicU64::new(0),
            too_deep_stacks: AtomicU64::new(0),
            cut_stacks: AtomicU64::new(0),
            missing_stacks: AtomicU64::new(0),
            foreign_frees: AtomicU64::new(0),
            invalid_environment: AtomicU64::new(0),
            unreadable_environment: AtomicU64::new(0),
            refused_labels: AtomicU64::new(0),
            unknown_lifetimes: AtomicU64::new(0),
        }
    }
}
