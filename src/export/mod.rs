//! From a [`Snapshot`](crate::Snapshot) to what people read: ordinary Rust, far
//! from the allocation path.
//!
//! Stacks become a [`profile`] (functions, locations, mappings, samples), with
//! names from [`symbolize`]; [`pprof`] encodes it. [`heap`] makes one of a snapshot,
//! without the frames of the allocator itself ([`hidden`]). [`top`] lists the biggest
//! sites; [`text`] is the heap as Go prints it, [`folded`] what flame graphs are drawn
//! from.

pub(crate) mod ages;
mod comments;
#[cfg(feature = "http")]
mod folded;
mod frame;
pub(crate) mod heap;
mod hidden;
#[cfg(feature = "http")]
pub(crate) mod kinds;
#[cfg(all(feature = "symbolize", cfi))]
mod later;
pub(crate) mod lifetimes;
#[cfg(feature = "http")]
mod lookup;
mod options;
pub(crate) mod owner;
mod pprof;
pub(crate) mod profile;
mod proto;
#[cfg(unix)]
mod stored;
#[cfg(unix)]
pub(crate) mod stream;
mod symbolize;
#[cfg(feature = "http")]
mod tabs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "http")]
pub(crate) mod text;
mod top;
mod units;

#[cfg(feature = "http")]
pub(crate) use folded::Folded;
#[cfg(feature = "http")]
pub(crate) use heap::Memory;
#[cfg(all(feature = "symbolize", cfi, fuzzing))]
pub use later::profile_without_names;
#[cfg(all(feature = "symbolize", cfi))]
pub use later::symbolize_pprof;
#[cfg(feature = "http")]
pub(crate) use lookup::linker_names;
pub use options::{PprofOptions, Symbols, View};
#[cfg(feature = "http")]
pub(crate) use profile::Profile;
pub use top::Site;
#[cfg(feature = "http")]
pub(crate) use units::{readable_bytes, readable_error, readable_interval};
