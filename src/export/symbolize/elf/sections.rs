#![forbid(unsafe_code)]
//! The sections that DWARF is read from.

use std::cell::Cell;

use flate2::{Decompress, FlushDecompress};
use gimli::{EndianSlice, Error, LittleEndian, Result, SectionId};
use memmap2::MmapMut;
use object::{CompressedData, CompressionFormat, Object, ObjectSection};

use super::arena::Arena;
use super::object_file::{Elf, ObjectFile};

/// What DWARF is read from.
pub(super) type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// What readers borrow from and is not in the file itself.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// In pages of their own: the system has them back at once, whatever an
    /// allocator would keep.
    decompressed: Arena<MmapMut>,
    decompressed_bytes: Cell<u64>,
    /// Files of split debug information.
    pub(super) files: Arena<ObjectFile>,
}

/// Sections stay mapped from the file, unless they are compressed. Those that
/// would take more than this altogether are not read.
const MAX_DECOMPRESSED_BYTES: u64 = 48 << 20;

/// The sections that frames are found by. Others, about variables for one, may
/// be large.
const READ: [SectionId; 9] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

/// The name of a section that frames are found by.
pub(super) fn name(id: SectionId) -> Option<&'static str> {
    READ.contains(&id).then(|| id.name())
}

/// Whether there is room for all that is to be decompressed of a file.
pub(super) fn fit(elf: &Elf<'_>) -> bool {
    let sections = READ.iter().filter_map(|id| elf.section_by_name(id.name()));
    let bytes = sections
        .filter_map(|section| section.compressed_data().ok())
        .filter(|data| data.format != CompressionFormat::None)
        .fold(0_u64, |sum, data| {
            sum.saturating_add(data.uncompressed_size)
        });
    bytes <= MAX_DECOMPRESSED_BYTES
}

impl Storage {
    /// A section's bytes, decompressed; empty if the file has none of that name.
    pub(super) fn section<'data>(
        &'data self,
        elf: &Elf<'data>,
        name: Option<&str>,
    ) -> Result<Reader<'data>> {
        let Some(section) = name.and_then(|name| elf.section_by_name(name)) else {
            return Ok(EndianSlice::new(&[], LittleEndian));
        };
        let data = section.compressed_data().map_err(|_| Error::Io)?;
        let bytes = if data.format == CompressionFormat::None {
            data.data
        } else {
            self.reserve(data.uncompressed_size)?;
            let pages = decompress(data).ok_or(Error::Io)?;
            &self.decompressed.keep(pages)[..]
        };
        Ok(EndianSlice::new(bytes, LittleEndian))
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let bytes = self.decompressed_bytes.get().saturating_add(bytes);
        self.decompressed_bytes.set(bytes);
        if bytes <= MAX_DECOMPRESSED_BYTES {
            Ok(())
        } else {
            Err(Error::Io)
        }
    }
}

fn decompress(data: CompressedData<'_>) -> Option<MmapMut> {
    let mut pages = MmapMut::map_anon(usize::try_from(data.uncompressed_size).ok()?).ok()?;
    if data.format == CompressionFormat::Zlib {
        let mut zlib = Decompress::new(true);
        zlib.decompress(data.data, &mut pages, FlushDecompress::Finish)
            .ok()?;
        (zlib.total_out() == data.uncompressed_size).then_some(pages)
    } else {
        let bytes = data.decompress().ok()?;
        if bytes.len() != pages.len() {
            return None;
        }
        pages.copy_from_slice(&bytes);
        Some(pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decompressed_is_bounded_altogether() {
        let storage = Storage::default();
        assert!(storage.reserve(MAX_DECOMPRESSED_BYTES - 1).is_ok());
        assert!(storage.reserve(1).is_ok());
        assert!(storage.reserve(1).is_err());
        assert!(storage.reserve(u64::MAX).is_err());
    }
}
