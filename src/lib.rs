//! placeholder
mod error;
mod module;
mod snapshot;

pub use error::Error;
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
