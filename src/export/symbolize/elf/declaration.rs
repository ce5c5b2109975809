#![forbid(unsafe_code)]
//! What a function is called, and the line that it begins at.

use gimli::{
    AttributeValue, DW_AT_MIPS_linkage_name, DW_AT_abstract_origin, DW_AT_decl_line,
    DW_AT_linkage_name, DW_AT_name, DW_AT_specification, DwarfFileType, UnitOffset, UnitRef,
};

use super::sections::Reader;
use super::units::Units;

/// References followed from an inlined call to the declaration. Two are usual.
const MAX_REFERENCES: usize = 16;

/// What is said of a function, wherever it is said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declaration<'data> {
    /// The linker's name rather than the bare one.
    pub(super) name: Option<Reader<'data>>,
    pub(super) line: Option<u32>,
}

impl<'data> Declaration<'data> {
    /// Follows a function or inlined call to its declaration, in another unit if
    /// that is where it is.
    pub(super) fn find(
        units: &Units<'data>,
        unit: UnitRef<'_, Reader<'data>>,
        entry: UnitOffset,
    ) -> Self {
        let mut found = Self::default();
        found.follow(units, unit, entry, MAX_REFERENCES);
        found
    }

    fn follow(
        &mut self,
        units: &Units<'data>,
        unit: UnitRef<'_, Reader<'data>>,
        entry: UnitOffset,
        references_left: usize,
    ) -> Option<()> {
        let entry = unit.entry(entry).ok()?;
        if self.name.is_none() {
            self.name = [DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name]
                .into_iter()
                .filter_map(|name| entry.attr_value(name))
                .find_map(|name| unit.attr_string(name).ok());
        }
        if self.line.is_none() {
            self.line = entry
                .attr(DW_AT_decl_line)
                .and_then(|line| u32::try_from(line.udata_value()?).ok());
        }
        if self.name.is_some() && self.line.is_some() {
            return None;
        }

        let references_left = references_left.checked_sub(1)?;
        let origin = entry
            .attr_value(DW_AT_abstract_origin)
            .or_else(|| entry.attr_value(DW_AT_specification))?;
        match origin {
            AttributeValue::UnitRef(offset) => self.follow(units, unit, offset, references_left),
            // Units that were split off are alone in their file.
            AttributeValue::DebugInfoRef(offset) if unit.dwarf.file_type == DwarfFileType::Main => {
                let other = units.around(offset)?;
                let offset = offset.to_unit_offset(&other.header)?;
                let other = UnitRef::new(unit.dwarf, &other);
                self.follow(units, other, offset, references_left)
            }
            _ => None,
        }
    }
}
