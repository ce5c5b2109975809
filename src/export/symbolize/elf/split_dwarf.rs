#![forbid(unsafe_code)]
//! Debug information that the linker left outside: one `.dwp` package next to
//! the program, or a `.dwo` file for each unit.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use addr2line::SplitDwarfLoad;
use addr2line::gimli::{Dwarf, DwarfPackage, EndianSlice, LittleEndian};

use super::dwarf::{Reader, Storage, path_of, section};
use super::object_file::ObjectFile;

/// Where a module's split units are to be had.
pub(super) struct SplitDwarf<'data> {
    storage: &'data Storage,
    package: Option<DwarfPackage<Reader<'data>>>,
}

impl<'data> SplitDwarf<'data> {
    /// `path` is the program's or library's.
    pub(super) fn new(path: &Path, storage: &'data Storage) -> Self {
        let mut package_path = OsString::from(path);
        package_path.push(".dwp");
        Self {
            storage,
            package: open_package(Path::new(&package_path), storage),
        }
    }

    /// The unit that a skeleton in the program stands for.
    pub(super) fn load(
        &self,
        wanted: &SplitDwarfLoad<Reader<'data>>,
    ) -> Option<Arc<Dwarf<Reader<'data>>>> {
        if let Some(package) = &self.package
            && let Ok(Some(unit)) = package.find_cu(wanted.dwo_id, &wanted.parent)
        {
            return Some(Arc::new(unit));
        }
        self.open_unit(wanted)
    }

    fn open_unit(
        &self,
        wanted: &SplitDwarfLoad<Reader<'data>>,
    ) -> Option<Arc<Dwarf<Reader<'data>>>> {
        let mut path = wanted.comp_dir.map(path_of).unwrap_or_default();
        path.push(path_of(wanted.path?));
        let file = self.storage.files.keep(ObjectFile::open(&path).ok()?);
        let elf = file.elf()?;
        let mut dwarf =
            Dwarf::load(|id| section(&elf, id.dwo_name(), &self.storage.sections)).ok()?;
        // A later build may have written another unit to the same path.
        let header = dwarf.units().next().ok()??;
        if dwarf.unit(header).ok()?.dwo_id != Some(wanted.dwo_id) {
            return None;
        }
        dwarf.make_dwo(&wanted.parent);
        Some(Arc::new(dwarf))
    }
}

fn open_package<'data>(
    path: &Path,
    storage: &'data Storage,
) -> Option<DwarfPackage<Reader<'data>>> {
    let file = storage.files.keep(ObjectFile::open(path).ok()?);
    let elf = file.elf()?;
    DwarfPackage::load(
        |id| section(&elf, id.dwo_name(), &storage.sections),
        EndianSlice::new(&[], LittleEndian),
    )
    .ok()
}
