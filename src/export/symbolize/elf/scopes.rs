#![forbid(unsafe_code)]
//! The function around each address of a unit, and what was inlined there.
//!
//! One walk over the unit's entries answers for all addresses and keeps nothing
//! but the answers.

use gimli::{
    Attribute, AttributeValue, DW_AT_call_file, DW_AT_call_line, DW_AT_low_pc, Range, Result,
    UnitOffset, UnitRef,
};

use super::ranges;
use super::sections::Reader;

/// What one unit says of the addresses asked for.
#[derive(Debug)]
pub(super) struct Scopes {
    functions: Vec<Function>,
    /// One for each address.
    scopes: Vec<Scope>,
}

/// A function with code of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    pub(super) entry: UnitOffset,
    /// Where its code begins, unless it begins with code inlined from another
    /// function or lies in several pieces.
    pub(super) first_instruction: Option<u64>,
}

/// A call that was inlined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The called function's entry.
    pub(super) entry: UnitOffset,
    /// Index of the file with the call.
    pub(super) file: Option<u64>,
    /// 0 if unknown.
    pub(super) line: u32,
}

#[derive(Clone, Debug, Default)]
struct Scope {
    /// Index of the function.
    function: Option<usize>,
    /// Outermost first.
    calls: Vec<Call>,
}

/// A function or inlined call that the walk is inside of.
struct Open {
    depth: isize,
    /// None if no address lies in it.
    function: Option<usize>,
    calls: usize,
}

impl Scopes {
    /// Finds them for `addresses`, which are sorted.
    pub(super) fn find(unit: UnitRef<'_, Reader<'_>>, addresses: &[u64]) -> Result<Self> {
        let mut found = Self {
            functions: Vec::new(),
            scopes: vec![Scope::default(); addresses.len()],
        };
        let mut attributes = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut entries = unit.entries_raw(None)?;
        while !entries.is_empty() {
            let (offset, depth) = (entries.next_offset(), entries.next_depth());
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            while open.pop_if(|open| open.depth >= depth).is_some() {}

            let (function, calls) = match (abbreviation.tag(), open.last()) {
                (gimli::DW_TAG_subprogram, _) => {
                    entries.read_attributes(abbreviation.attributes(), &mut attributes)?;
                    (found.enter(unit, addresses, offset, &attributes)?, 0)
                }
                (
                    gimli::DW_TAG_inlined_subroutine,
                    Some(&Open {
                        function: Some(function),
                        calls,
                        ..
                    }),
                ) => {
                    entries.read_attributes(abbreviation.attributes(), &mut attributes)?;
                    let call = call(unit, offset, &attributes);
                    ranges::of_entry(unit, &attributes, |range| {
                        found.add_call(addresses, function, calls, call, range);
                    })?;
                    (Some(function), calls + 1)
                }
                _ => {
                    entries.skip_attributes(abbreviation.attributes())?;
                    continue;
                }
            };
            open.push(Open {
                depth,
                function,
                calls,
            });
        }
        Ok(found)
    }

    /// The function around an address, and the calls inlined there, outermost
    /// first.
    pub(super) fn of(&self, index: usize) -> Option<(Function, &[Call])> {
        let scope = &self.scopes[index];
        Some((self.functions[scope.function?], &scope.calls))
    }

    /// Where the functions found begin.
    pub(super) fn first_instructions(&self) -> impl Iterator<Item = u64> {
        self.functions.iter().filter_map(|f| f.first_instruction)
    }

    /// Takes in a function, if any of the addresses lies in it.
    fn enter<'data>(
        &mut self,
        unit: UnitRef<'_, Reader<'data>>,
        addresses: &[u64],
        entry: UnitOffset,
        attributes: &[Attribute<Reader<'data>>],
    ) -> Result<Option<usize>> {
        let number = self.functions.len();
        let mut is_wanted = false;
        ranges::of_entry(unit, attributes, |range| {
            for scope in &mut self.scopes[ranges::covered(addresses, range)] {
                is_wanted |= *scope.function.get_or_insert(number) == number;
            }
        })?;
        if !is_wanted {
            return Ok(None);
        }
        let low_pc = attributes.iter().find(|a| a.name() == DW_AT_low_pc);
        self.functions.push(Function {
            entry,
            first_instruction: match low_pc {
                Some(low_pc) => unit.attr_address(low_pc.value())?,
                None => None,
            },
        });
        Ok(Some(number))
    }

    /// Takes in a range of a call that has `depth` others around it.
    fn add_call(
        &mut self,
        addresses: &[u64],
        function: usize,
        depth: usize,
        call: Call,
        range: Range,
    ) {
        for scope in &mut self.scopes[ranges::covered(addresses, range)] {
            if scope.function == Some(function) && scope.calls.len() == depth {
                scope.calls.push(call);
            }
        }
        self.functions[function]
            .first_instruction
            .take_if(|first| (range.begin..range.end).contains(first));
    }
}

fn call<'data>(
    unit: UnitRef<'_, Reader<'data>>,
    entry: UnitOffset,
    attributes: &[Attribute<Reader<'data>>],
) -> Call {
    let value = |name| attributes.iter().find(|a| a.name() == name);
    let file = value(DW_AT_call_file).and_then(|file| match file.value() {
        // Before DWARF 5, files were counted from 1, and 0 was none.
        AttributeValue::FileIndex(0) if unit.header.version() < 5 => None,
        AttributeValue::FileIndex(file) => Some(file),
        _ => None,
    });
    let line = value(DW_AT_call_line).and_then(|line| line.udata_value());
    Call {
        entry,
        file,
        line: line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
    }
}
