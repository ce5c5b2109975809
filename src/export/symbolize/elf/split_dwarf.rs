#![forbid(unsafe_code)]
//! Debug information that the linker left outside: one `.dwp` package next to
//! the program, or a `.dwo` file for each unit.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gimli::{Dwarf, DwarfPackage, DwoId, EndianSlice, LittleEndian, Unit, UnitRef};

use super::object_file::ObjectFile;
use super::sections::{Reader, Storage};

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

    /// The unit that a skeleton in the program stands for; none if it is no
    /// skeleton, or the unit cannot be had.
    pub(super) fn load(
        &self,
        skeleton: UnitRef<'_, Reader<'data>>,
    ) -> Option<(Dwarf<Reader<'data>>, Unit<Reader<'data>>)> {
        let id = skeleton.dwo_id?;
        let dwarf = self
            .find_in_package(id, skeleton.dwarf)
            .or_else(|| self.open_unit(id, skeleton))?;
        let header = dwarf.units().next().ok()??;
        let mut unit = dwarf.unit(header).ok()?;
        unit.copy_relocated_attributes(skeleton.unit);
        Some((dwarf, unit))
    }

    fn find_in_package(
        &self,
        id: DwoId,
        parent: &Dwarf<Reader<'data>>,
    ) -> Option<Dwarf<Reader<'data>>> {
        self.package.as_ref()?.find_cu(id, parent).ok()?
    }

    fn open_unit(
        &self,
        id: DwoId,
        skeleton: UnitRef<'_, Reader<'data>>,
    ) -> Option<Dwarf<Reader<'data>>> {
        let name = skeleton.attr_string(skeleton.dwo_name().ok()??).ok()?;
        let mut path = skeleton.comp_dir.map(path_of).unwrap_or_default();
        path.push(path_of(name));
        let file = self.storage.files.keep(ObjectFile::open(&path).ok()?);
        let elf = file.elf()?;
        let mut dwarf = Dwarf::load(|id| self.storage.section(&elf, id.dwo_name())).ok()?;
        // A later build may have written another unit to the same path.
        let header = dwarf.units().next().ok()??;
        if dwarf.unit(header).ok()?.dwo_id != Some(id) {
            return None;
        }
        dwarf.make_dwo(skeleton.dwarf);
        Some(dwarf)
    }
}

fn open_package<'data>(
    path: &Path,
    storage: &'data Storage,
) -> Option<DwarfPackage<Reader<'data>>> {
    let file = storage.files.keep(ObjectFile::open(path).ok()?);
    let elf = file.elf()?;
    DwarfPackage::load(
        |id| storage.section(&elf, id.dwo_name()),
        EndianSlice::new(&[], LittleEndian),
    )
    .ok()
}

/// A path as DWARF has it.
fn path_of(bytes: Reader<'_>) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes.slice()))
}
