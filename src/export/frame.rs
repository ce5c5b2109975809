#![forbid(unsafe_code)]
//! A function call as people read it.

use std::sync::Arc;

/// One function at one address. An address has several when calls were inlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Demangled, without hash. Empty if there is a line but no name.
    pub(crate) name: Arc<str>,
    /// As the linker knows it; empty if only the bare name is known.
    pub(crate) system_name: Arc<str>,
    /// Source file; empty if unknown.
    pub(crate) file: Arc<str>,
    /// Line of the call, 1-based; 0 if unknown.
    pub(crate) line: u32,
    /// Line where the function begins, 1-based; 0 if unknown.
    pub(crate) start_line: u32,
    /// Bytes from the beginning of the function that calls were inlined into to
    /// the address; nothing if unknown.
    pub(crate) function_offset: Option<u32>,
}

/// The frames of one address, innermost first; none if nothing is known of it.
pub(crate) type Frames = Arc<[Frame]>;
