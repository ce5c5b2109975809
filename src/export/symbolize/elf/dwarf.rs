#![forbid(unsafe_code)]
//! Files, lines, inlined frames and start lines from DWARF.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use addr2line::gimli::{
    AbbreviationsCacheStrategy, Dwarf, EndianSlice, Error, LittleEndian, UnitRef,
};
use addr2line::{Context, Frame as DwarfFrame};
use object::{Object, ObjectSection};

use super::arena::Arena;
use super::object_file::{Elf, ObjectFile};
use super::split_dwarf::SplitDwarf;
use super::start_line::{Start, StartLines};
use super::{Frame, Strings, set_name, unnamed_frame};

/// What DWARF is read from.
pub(super) type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// What readers borrow from and is not in the file itself.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// Decompressed sections.
    pub(super) sections: Arena<Vec<u8>>,
    /// Files of split debug information.
    pub(super) files: Arena<ObjectFile>,
}

/// The frames of each address; none for all of them if the DWARF is unusable.
///
/// `addresses` are the file's own, sorted. `path` is the program's or library's.
pub(super) fn frames(
    elf: &Elf<'_>,
    path: &Path,
    addresses: &[u64],
    strings: &mut Strings,
) -> Vec<Vec<Frame>> {
    let storage = Storage::default();
    let Some(debug_info) = DebugInfo::load(elf, path, &storage) else {
        return vec![Vec::new(); addresses.len()];
    };
    addresses
        .iter()
        .map(|&address| debug_info.frames(address, strings))
        .collect()
}

struct DebugInfo<'data> {
    context: Context<Reader<'data>>,
    split: SplitDwarf<'data>,
    start_lines: StartLines<'data>,
}

impl<'data> DebugInfo<'data> {
    fn load(elf: &Elf<'data>, path: &Path, storage: &'data Storage) -> Option<Self> {
        let mut dwarf = Dwarf::load(|id| section(elf, Some(id.name()), &storage.sections)).ok()?;
        dwarf.populate_abbreviations_cache(AbbreviationsCacheStrategy::Duplicates);
        Some(Self {
            context: Context::from_dwarf(dwarf).ok()?,
            split: SplitDwarf::new(path, storage),
            start_lines: StartLines::default(),
        })
    }

    fn frames(&self, address: u64, strings: &mut Strings) -> Vec<Frame> {
        let mut frames = Vec::new();
        // addr2line looks at the address after it as well.
        if address == u64::MAX {
            return frames;
        }
        for (wanted, hand_in) in self.context.preload_units(address) {
            // A unit that cannot be had leaves what the program itself says.
            let _ = hand_in(self.split.load(&wanted));
        }
        let Ok(mut found) = self.context.find_frames(address).skip_all_loads() else {
            return frames;
        };
        let unit = self.context.find_dwarf_and_unit(address).skip_all_loads();
        while let Ok(Some(frame)) = found.next() {
            frames.push(self.convert(&frame, unit, strings));
        }
        frames
    }

    fn convert(
        &self,
        found: &DwarfFrame<'_, Reader<'data>>,
        unit: Option<UnitRef<'_, Reader<'data>>>,
        strings: &mut Strings,
    ) -> Frame {
        let mut frame = unnamed_frame(strings);
        if let Some(Ok(name)) = found.function.as_ref().map(|function| function.raw_name()) {
            set_name(&mut frame, &name, strings);
            // Bare names of functions are in the DWARF, names of symbols are not
            // necessarily: leave the linker's name to the symbol table.
            if frame.name == frame.system_name {
                frame.system_name = strings.share("");
            }
        }
        if let Some(location) = &found.location {
            frame.file = strings.share(location.file.unwrap_or_default());
            frame.line = location.line.unwrap_or(0);
        }
        if let (Some(unit), Some(offset)) = (unit, found.dw_die_offset) {
            frame.start_line = match self.start_lines.find(unit, offset) {
                Some(Start::Line(line)) => line,
                Some(Start::Address(first)) => self.line_at(first),
                None => 0,
            };
        }
        frame
    }

    /// The line of a function's first instruction, unless that was inlined from
    /// another function.
    fn line_at(&self, address: u64) -> u32 {
        let Ok(mut frames) = self.context.find_frames(address).skip_all_loads() else {
            return 0;
        };
        match (frames.next(), frames.next()) {
            (Ok(Some(frame)), Ok(None)) => frame.location.and_then(|at| at.line).unwrap_or(0),
            _ => 0,
        }
    }
}

/// A section's bytes, decompressed; empty if the file has none of that name.
pub(super) fn section<'data>(
    elf: &Elf<'data>,
    name: Option<&str>,
    decompressed: &'data Arena<Vec<u8>>,
) -> Result<Reader<'data>, Error> {
    let section = name.and_then(|name| elf.section_by_name(name));
    let bytes = match section.map(|section| section.uncompressed_data()) {
        None => &[],
        Some(Ok(Cow::Borrowed(bytes))) => bytes,
        Some(Ok(Cow::Owned(bytes))) => decompressed.keep(bytes),
        Some(Err(_)) => return Err(Error::Io),
    };
    Ok(EndianSlice::new(bytes, LittleEndian))
}

/// A path as DWARF has it.
pub(super) fn path_of(bytes: Reader<'_>) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes.slice()))
}
