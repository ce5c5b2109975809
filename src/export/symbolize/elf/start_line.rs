#![forbid(unsafe_code)]
//! The line that a function begins at.

use std::cell::OnceCell;

use addr2line::gimli::{
    AttributeValue, DW_AT_abstract_origin, DW_AT_decl_line, DW_AT_low_pc, DW_AT_specification,
    DW_TAG_subprogram, DebugInfoOffset, DebuggingInformationEntry, Dwarf, UnitHeader, UnitOffset,
    UnitRef,
};

use super::dwarf::Reader;

/// References followed from an inlined call to the declaration. Two are usual.
const MAX_REFERENCES: usize = 16;

/// Finds declarations, across units as well.
#[derive(Default)]
pub(super) struct StartLines<'data> {
    /// Every unit, in file order; read once a reference leads out of its unit.
    headers: OnceCell<Vec<(DebugInfoOffset, UnitHeader<Reader<'data>>)>>,
}

/// Where a function begins, as far as its entry says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Line(u32),
    /// No line, but the address of the first instruction.
    Address(u64),
}

impl<'data> StartLines<'data> {
    /// Follows a function or inlined call to its declaration.
    pub(super) fn find(
        &self,
        unit: UnitRef<'_, Reader<'data>>,
        offset: UnitOffset,
    ) -> Option<Start> {
        let entry = unit.entry(offset).ok()?;
        // Inlined code begins anywhere in its function.
        let first_instruction = (entry.tag() == DW_TAG_subprogram)
            .then(|| entry.attr_value(DW_AT_low_pc))
            .flatten()
            .and_then(|value| unit.attr_address(value).ok().flatten())
            .map(Start::Address);
        let line = self.follow(unit.dwarf, &unit.header, entry);
        line.map(Start::Line).or(first_instruction)
    }

    fn follow(
        &self,
        dwarf: &Dwarf<Reader<'data>>,
        header: &UnitHeader<Reader<'data>>,
        mut entry: DebuggingInformationEntry<Reader<'data>>,
    ) -> Option<u32> {
        let mut header = *header;
        for _ in 0..MAX_REFERENCES {
            if let Some(line) = entry.attr(DW_AT_decl_line) {
                return line.udata_value().and_then(|line| u32::try_from(line).ok());
            }
            let origin = entry
                .attr_value(DW_AT_abstract_origin)
                .or_else(|| entry.attr_value(DW_AT_specification))?;
            let offset = match origin {
                AttributeValue::UnitRef(offset) => offset,
                AttributeValue::DebugInfoRef(offset) => {
                    header = self.header_at(dwarf, offset)?;
                    offset.to_unit_offset(&header)?
                }
                _ => return None,
            };
            let abbreviations = dwarf.abbreviations(&header).ok()?;
            entry = header.entry(&abbreviations, offset).ok()?;
        }
        None
    }

    fn header_at(
        &self,
        dwarf: &Dwarf<Reader<'data>>,
        offset: DebugInfoOffset,
    ) -> Option<UnitHeader<Reader<'data>>> {
        let headers = self.headers.get_or_init(|| {
            let mut headers = Vec::new();
            let mut units = dwarf.units();
            while let Ok(Some(header)) = units.next() {
                headers.extend(header.debug_info_offset().map(|offset| (offset, header)));
            }
            headers
        });
        let after = headers.partition_point(|(start, _)| start.0 <= offset.0);
        Some(headers[after.checked_sub(1)?].1)
    }
}
