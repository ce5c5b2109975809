#![forbid(unsafe_code)]
//! Files of a program that does not run here, or not any more.

use std::path::{Path, PathBuf};

use object::elf::{PF_X, PT_LOAD};
use object::read::elf::ProgramHeader;

use super::object_file::{Elf, ObjectFile, build_id};
use crate::module::Segment;

/// The first of the files that has this build id, and what to subtract from an
/// address of a segment that was mapped from it.
pub(crate) fn locate<'a>(
    files: impl IntoIterator<Item = &'a Path>,
    wanted: &[u8],
    segment: &Segment,
) -> Option<(PathBuf, u64)> {
    files.into_iter().find_map(|path| {
        let file = ObjectFile::open(path).ok()?;
        let elf = file.elf()?;
        let is_it = build_id(&elf) == wanted;
        let bias = is_it.then(|| bias(&elf, segment)).flatten()?;
        Some((path.to_path_buf(), bias))
    })
}

fn bias(elf: &Elf<'_>, segment: &Segment) -> Option<u64> {
    const PAGE: u64 = 4096;
    let endian = elf.endian();
    elf.elf_program_headers().iter().find_map(|header| {
        let (offset, size) = (header.p_offset(endian), header.p_filesz(endian));
        let mapped = offset / PAGE * PAGE..offset.saturating_add(size);
        // A page of the file may belong to two segments, and be mapped twice.
        let is_code = header.p_type(endian) == PT_LOAD && header.p_flags(endian) & PF_X != 0;
        let is_it = is_code && mapped.contains(&segment.file_offset);
        let address = || {
            let behind = segment.file_offset.wrapping_sub(offset);
            header.p_vaddr(endian).wrapping_add(behind)
        };
        is_it.then(|| segment.start.wrapping_sub(address()))
    })
}
