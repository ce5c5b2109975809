//! How much memory this process has, and how much it may have.
//!
//! [`process`] says what the process takes, [`allocator`] what of it the allocator has;
//! [`cgroup`] what its control groups take and may take; [`limit`] puts every limit
//! that can end the process beside what counts against it. Since when the process
//! runs (`uptime`) is read in the same way. Everything is read from `/proc` and
//! `/sys`: what the kernel does not tell (elsewhere than on Linux, in a sandbox) is an
//! error or absent, never a guess.
//!
//! Texts are parsed by functions that take any bytes.

pub(crate) mod allocator;
pub(crate) mod cgroup;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
pub(crate) mod limit;
pub(crate) mod process;
mod text;
#[cfg(feature = "http")]
pub(crate) mod uptime;
