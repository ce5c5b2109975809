#![forbid(unsafe_code)]
//! The sections that DWARF is read from.

use std::borrow::Cow;
use std::cell::Cell;

use gimli::{EndianSlice, Error, LittleEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};

use super::arena::Arena;
use super::object_file::{Elf, ObjectFile};

/// What DWARF is read from.
pub(super) type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// What readers borrow from and is not in the file itself.
#[derive(Debug, Default)]
pub(super) struct Storage {
    decompressed: Arena<Vec<u8>>,
    decompressed_bytes: Cell<u64>,
    /// Files of split debug information.
    pub(super) files: Arena<ObjectFile>,
}

/// Sections stay mapped from the file, unless they are compressed. Those that
/// would take more than this altogether are not read.
const MAX_DECOMPRESSED_BYTES: u64 = 64 << 20;

impl Storage {
    /// A section's bytes, decompressed; empty if the file has none of that name.
    pub(super) fn section<'data>(
        &'data self,
        elf: &Elf<'data>,
        name: Option<&str>,
    ) -> Result<Reader<'data>, Error> {
        let section = name.and_then(|name| elf.section_by_name(name));
        let bytes = match section {
            None => &[],
            Some(section) => {
                let data = section.compressed_data().map_err(|_| Error::Io)?;
                if data.format != CompressionFormat::None {
                    self.reserve(data.uncompressed_size)?;
                }
                match data.decompress().map_err(|_| Error::Io)? {
                    Cow::Borrowed(bytes) => bytes,
                    Cow::Owned(bytes) => self.decompressed.keep(bytes),
                }
            }
        };
        Ok(EndianSlice::new(bytes, LittleEndian))
    }

    fn reserve(&self, bytes: u64) -> Result<(), Error> {
        let bytes = self.decompressed_bytes.get().saturating_add(bytes);
        self.decompressed_bytes.set(bytes);
        if bytes <= MAX_DECOMPRESSED_BYTES {
            Ok(())
        } else {
            Err(Error::Io)
        }
    }
}

/// The name of a section that frames are found by. The others, about variables
/// for one, may be large.
pub(super) fn name(id: SectionId) -> Option<&'static str> {
    let is_read = matches!(
        id,
        SectionId::DebugAbbrev
            | SectionId::DebugAddr
            | SectionId::DebugInfo
            | SectionId::DebugLine
            | SectionId::DebugLineStr
            | SectionId::DebugRanges
            | SectionId::DebugRngLists
            | SectionId::DebugStr
            | SectionId::DebugStrOffsets
    );
    is_read.then(|| id.name())
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
