//! What a run asks of a profiler.

use std::ops::RangeInclusive;

use crate::mix::Mix;

/// A heap profiler whose figures are studied.
pub trait Profiler: Sync {
    /// How it is called in tables.
    fn name(&self) -> &'static str;

    /// Says which run comes next.
    fn prepare(&self, _mix: &Mix, _number: u64) {}

    /// Sets the mean number of bytes between samples, 0 for none. False if it
    /// cannot be changed.
    fn set_interval(&self, bytes: u64) -> bool;

    /// From now on, what was allocated is counted from zero.
    fn begin(&self);

    /// What was allocated since `begin`, and is in use.
    fn figures(&self) -> Figures;

    /// What was allocated since `begin`, and by how much memory in use has grown
    /// since. `None` if it does not tell.
    fn growth(&self) -> Option<Figures>;

    /// The size that it counts an object with that was asked for with `size`.
    fn counted_size(&self, size: usize) -> usize;
}

/// What a profiler says.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Everything allocated.
    pub allocated: Figure,
    /// What of it is in use.
    pub in_use: Figure,
}

/// An estimate of objects and bytes, with 95 % intervals if the profiler has any.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Estimated objects.
    pub objects: f64,
    /// Estimated bytes.
    pub bytes: f64,
    /// Where the true numbers lie with 95 % confidence.
    pub intervals: Option<[RangeInclusive<i64>; 2]>,
}

impl Figure {
    /// Without intervals.
    pub fn plain(objects: f64, bytes: f64) -> Self {
        Self {
            objects,
            bytes,
            intervals: None,
        }
    }
}
