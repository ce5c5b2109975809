//! The ground floor: everything here runs inside malloc.
//!
//! A capture never allocates, locks, panics, blocks or unwinds out. Set-up and
//! refresh ([`capture::modules`]) may allocate, under the busy guard and never
//! on the way of a sampled allocation. The lints below hold the line for the
//! code in this folder; `tests/guest.rs` watches what it calls.
#![deny(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
// Tests are ordinary Rust.
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_types,
        clippy::disallowed_macros,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub(crate) mod account;
mod arena;
mod at_peak;
pub(crate) mod below;
#[cfg(not(loom))]
pub(crate) mod capture;
mod chain;
#[cfg(not(loom))]
pub(crate) mod clock;
#[cfg(not(loom))]
pub(crate) mod environment;
#[cfg_attr(not(cfi), allow(dead_code))]
mod fork_gate;
#[cfg(any(interrupts, test))]
pub(crate) mod handoff;
pub(crate) mod high_water;
pub(crate) mod label_table;
mod late;
pub(crate) mod lease;
pub(crate) mod lifetimes;
mod live_table;
#[cfg_attr(not(cfi), allow(dead_code))]
pub(crate) mod pool;
mod preparation;
#[cfg(not(loom))]
pub(crate) mod recorder;
pub(crate) mod sampler;
mod settings;
mod size_class;
mod sketch;
pub(crate) mod stack;
pub(crate) mod stack_table;
mod sync;
pub(crate) mod tally;
#[cfg(not(loom))]
pub(crate) mod thread;
#[cfg(not(loom))]
mod thread_name;
