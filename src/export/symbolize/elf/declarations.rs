#![forbid(unsafe_code)]
//! What a function is called, and the line that it begins at.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use gimli::{
    AttributeValue, DW_AT_MIPS_linkage_name, DW_AT_abstract_origin, DW_AT_decl_line,
    DW_AT_linkage_name, DW_AT_name, DW_AT_specification, DebugInfoOffset, Dwarf, DwarfFileType,
    Unit, UnitHeader, UnitOffset, UnitRef,
};

use super::dwarf::Reader;

/// References followed from an inlined call to the declaration. Two are usual.
const MAX_REFERENCES: usize = 16;

/// Units kept because others referred to them. They do so in clusters: what one
/// object file brought.
const MAX_UNITS: usize = 32;

/// What is said of a function, wherever it is said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declaration<'data> {
    /// The linker's name rather than the bare one.
    pub(super) name: Option<Reader<'data>>,
    pub(super) line: Option<u32>,
}

/// Finds declarations, across units as well.
#[derive(Debug, Default)]
pub(super) struct Declarations<'data> {
    /// Every unit, in file order; read once a reference leads out of its unit.
    headers: OnceCell<Vec<(DebugInfoOffset, UnitHeader<Reader<'data>>)>>,
    /// By their position in `headers`.
    units: RefCell<HashMap<usize, Rc<Unit<Reader<'data>>>>>,
}

impl<'data> Declarations<'data> {
    /// Follows a function or inlined call to its declaration.
    pub(super) fn find(
        &self,
        unit: UnitRef<'_, Reader<'data>>,
        entry: UnitOffset,
    ) -> Declaration<'data> {
        let mut found = Declaration::default();
        self.follow(unit, entry, MAX_REFERENCES, &mut found);
        found
    }

    fn follow(
        &self,
        unit: UnitRef<'_, Reader<'data>>,
        entry: UnitOffset,
        references_left: usize,
        found: &mut Declaration<'data>,
    ) -> Option<()> {
        let entry = unit.entry(entry).ok()?;
        if found.name.is_none() {
            found.name = [DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name]
                .into_iter()
                .filter_map(|name| entry.attr_value(name))
                .find_map(|name| unit.attr_string(name).ok());
        }
        if found.line.is_none() {
            found.line = entry
                .attr(DW_AT_decl_line)
                .and_then(|line| u32::try_from(line.udata_value()?).ok());
        }
        if found.name.is_some() && found.line.is_some() {
            return None;
        }

        let references_left = references_left.checked_sub(1)?;
        let origin = entry
            .attr_value(DW_AT_abstract_origin)
            .or_else(|| entry.attr_value(DW_AT_specification))?;
        match origin {
            AttributeValue::UnitRef(offset) => self.follow(unit, offset, references_left, found),
            // Units that were split off are alone in their file.
            AttributeValue::DebugInfoRef(offset) if unit.dwarf.file_type == DwarfFileType::Main => {
                let other = self.unit_at(unit.dwarf, offset)?;
                let offset = offset.to_unit_offset(&other.header)?;
                let other = UnitRef::new(unit.dwarf, &other);
                self.follow(other, offset, references_left, found)
            }
            _ => None,
        }
    }

    fn unit_at(
        &self,
        dwarf: &Dwarf<Reader<'data>>,
        offset: DebugInfoOffset,
    ) -> Option<Rc<Unit<Reader<'data>>>> {
        let headers = self.headers.get_or_init(|| {
            let mut headers = Vec::new();
            let mut units = dwarf.units();
            while let Ok(Some(header)) = units.next() {
                headers.extend(header.debug_info_offset().map(|offset| (offset, header)));
            }
            headers
        });
        let after = headers.partition_point(|(start, _)| start.0 <= offset.0);
        let position = after.checked_sub(1)?;

        let mut units = self.units.borrow_mut();
        if let Some(unit) = units.get(&position) {
            return Some(Rc::clone(unit));
        }
        let unit = Rc::new(dwarf.unit(headers[position].1).ok()?);
        if units.len() == MAX_UNITS {
            units.clear();
        }
        units.insert(position, Rc::clone(&unit));
        Some(unit)
    }
}
