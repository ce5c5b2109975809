//! Profiles written when nobody is there to ask for them: at the program's end,
//! on a signal, from time to time, and near a memory limit.
//!
//! [`builder`] says what is to happen; [`helper`] is the thread that waits for it.
//! [`exit`] and [`signal`] are how the rest of the process reaches it, [`watch`]
//! looks at memory and [`steps`] decides when to dump again. [`dump`] writes
//! ordinary profiles, [`flight`] those that must be there within milliseconds;
//! [`files`] names and counts them, [`status`] tells how it went.
//! [`environment`] does all that for a program that knows nothing of it.

mod builder;
mod dump;
#[cfg(cfi)]
mod environment;
mod exit;
mod files;
#[cfg(target_os = "linux")]
mod flight;
#[cfg(all(cfi, fuzzing))]
pub(crate) mod fuzzing;
mod helper;
#[cfg(target_os = "linux")]
mod reserved_file;
mod running;
#[cfg(target_os = "linux")]
mod signal;
mod status;
mod steps;
mod utc;
mod wake;
#[cfg(target_os = "linux")]
mod watch;

pub use builder::{TriggersBuilder, triggers};
pub use running::Triggers;
pub use status::TriggerStatus;
pub use steps::Threshold;
