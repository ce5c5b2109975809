#![forbid(unsafe_code)]
//! What is, or was, loaded where.

use std::path::PathBuf;

/// A program or shared library in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// As the loader knows it; the main program's resolved through
    /// `/proc/self/exe`. " (deleted)" is cut off.
    pub(crate) path: PathBuf,
    /// The main program: its file can be opened as `/proc/self/exe` even when
    /// it was deleted or replaced.
    pub(crate) is_main_program: bool,
    /// What to subtract from an address to get the file's own virtual address.
    pub(crate) bias: u64,
    /// Executable segments, in address order.
    pub(crate) segments: Vec<Segment>,
    /// GNU build id as found in memory; empty if there is none.
    pub(crate) build_id: Vec<u8>,
    /// First generation of the module list that has it.
    pub(crate) since_generation: u32,
    /// First generation that no longer has it; `u32::MAX` while it is loaded.
    pub(crate) until_generation: u32,
}

/// An executable segment as mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) limit: u64,
    /// Offset of `start` in the file.
    pub(crate) file_offset: u64,
}

impl Module {
    pub(crate) fn is_loaded(&self) -> bool {
        self.until_generation == u32::MAX
    }

    /// The segment that an address of the given generation lies in.
    pub(crate) fn segment_of(&self, address: u64, generation: u32) -> Option<&Segment> {
        if generation < self.since_generation || generation >= self.until_generation {
            return None;
        }
        self.segments
            .iter()
            .find(|s| (s.start..s.limit).contains(&address))
    }
}
