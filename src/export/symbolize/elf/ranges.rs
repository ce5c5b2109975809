#![forbid(unsafe_code)]
//! Which of the addresses asked for an entry of DWARF covers.

use std::ops;

use gimli::{
    Attribute, AttributeValue, DW_AT_high_pc, DW_AT_low_pc, DW_AT_ranges, Range, Result, UnitRef,
};

use super::sections::Reader;

/// Calls `each` with the entry's ranges that are not empty. Says whether there
/// were any.
pub(super) fn of_entry<'data>(
    unit: UnitRef<'_, Reader<'data>>,
    attributes: &[Attribute<Reader<'data>>],
    mut each: impl FnMut(Range),
) -> Result<bool> {
    let mut any = false;
    let mut add = |range: Range| {
        if range.begin < range.end {
            any = true;
            each(range);
        }
    };
    let value = |name| attributes.iter().find(|a| a.name() == name);
    if let Some(ranges) = value(DW_AT_ranges)
        && let Some(mut ranges) = unit.attr_ranges(ranges.value())?
    {
        while let Some(range) = ranges.next()? {
            add(range);
        }
    } else if let Some(low) = value(DW_AT_low_pc)
        && let Some(high) = value(DW_AT_high_pc)
        && let Some(begin) = unit.attr_address(low.value())?
    {
        let end = match high.value() {
            // Of code that the linker dropped, this wraps around.
            AttributeValue::Udata(size) => Some(begin.wrapping_add(size)),
            address => unit.attr_address(address)?,
        };
        add(Range {
            begin,
            end: end.unwrap_or(begin),
        });
    }
    Ok(any)
}

/// Indices of the addresses in a range; `addresses` are sorted.
pub(super) fn covered(addresses: &[u64], range: Range) -> ops::Range<usize> {
    let first = addresses.partition_point(|&address| address < range.begin);
    let count = addresses[first..].partition_point(|&address| address < range.end);
    first..first + count
}
