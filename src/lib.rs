//! placeholder
#![allow(clippy::disallowed_types, clippy::disallowed_macros)]

#[cfg(not(loom))]
mod alloc;
#[cfg(not(loom))]
mod control;
mod error;
mod module;
mod record;
#[cfg(not(loom))]
mod snapshot;

#[cfg(not(loom))]
pub use alloc::Alloc;
#[cfg(not(loom))]
pub use control::{sample_interval, set_sample_interval};
pub use error::Error;
#[cfg(not(loom))]
pub use record::capture::Unwinder;
#[cfg(not(loom))]
pub use snapshot::{Counts, Record, ReturnAddress, Snapshot, StackEnd, Stats};
