//! `/debug/pprof` over HTTP, as Go's programs have it.
//!
//! The core answers one request (`Pprof::respond`); what listens stands on it.

#[allow(dead_code)] // until the core waits with it
mod cancellation;

pub use cancellation::Cancellation;
