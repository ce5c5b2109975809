//! From a [`Snapshot`](crate::Snapshot) to what people read: ordinary Rust, far
//! from the allocation path.
//!
//! Stacks become a [`profile`] (functions, locations, mappings, samples), with
//! names from [`symbolize`]; [`pprof`] encodes it. [`heap`] makes one of a snapshot,
//! without the frames of the allocator itself ([`hidden`]). [`top`] lists the biggest
//! sites.

mod comments;
mod frame;
mod heap;
mod hidden;
mod options;
mod owner;
mod pprof;
mod profile;
mod proto;
mod symbolize;
#[cfg(test)]
pub(crate) mod testing;
mod top;

pub use options::{PprofOptions, Symbols, View};
pub use top::Site;
