#![forbid(unsafe_code)]
//! What fuzzers feed: everything that is parsed and was written by others.

#[cfg(feature = "symbolize")]
pub use crate::export::profile_without_names;
pub use crate::memory::fuzzing::kernel_texts;
pub use crate::record::capture::fuzzing::{elf_notes, unwind};
pub use crate::triggers::fuzzing::environment;
