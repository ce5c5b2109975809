//! placeholder
mod atomic_file;
mod difference;
mod dump;
mod error;
mod export;
mod module;
mod snapshot;

pub use dump::{dump_allocs, dump_allocs_to, dump_heap, dump_heap_to};
pub use error::Error;
pub use export::{PprofOptions, Site, Symbols, View};
pub use snapshot::{Counts, Record, ReturnAddress, Snapshot, StackEnd, Stats};
mod alloc;
pub use alloc::Alloc;

/// Sets the mean number of bytes between samples.
pub fn set_sample_interval(_bytes: u64) -> Result<(), Error> {
    Ok(())
}
/// The mean number of bytes between samples.
pub fn sample_interval() -> u64 {
    0
}
