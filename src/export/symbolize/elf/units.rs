#![forbid(unsafe_code)]
//! The units of debug information, read when they are needed and soon dropped.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gimli::{Abbreviations, DebugAbbrevOffset, DebugInfoOffset, Dwarf, Result, Unit, UnitHeader};

use super::sections::Reader;

/// Units kept because others referred to them. They do so in clusters: what one
/// object file brought.
const MAX_RECENT: usize = 32;

pub(super) struct Units<'data> {
    pub(super) dwarf: Dwarf<Reader<'data>>,
    /// Every unit, in file order.
    headers: OnceCell<Vec<(DebugInfoOffset, UnitHeader<Reader<'data>>)>>,
    /// Units that others referred to, by their position in `headers`.
    recent: RefCell<HashMap<usize, Rc<Unit<Reader<'data>>>>>,
    /// Those read last: neighbours share them, after link-time optimization all
    /// units do.
    abbreviations: RefCell<Option<(DebugAbbrevOffset, Arc<Abbreviations>)>>,
}

impl<'data> Units<'data> {
    pub(super) fn new(dwarf: Dwarf<Reader<'data>>) -> Self {
        Self {
            dwarf,
            headers: OnceCell::new(),
            recent: RefCell::default(),
            abbreviations: RefCell::default(),
        }
    }

    pub(super) fn read(&self, header: UnitHeader<Reader<'data>>) -> Result<Unit<Reader<'data>>> {
        let offset = header.debug_abbrev_offset();
        let known = self.abbreviations.borrow().clone();
        let abbreviations = match known {
            Some((known, abbreviations)) if known == offset => abbreviations,
            _ => self.dwarf.abbreviations(&header)?,
        };
        *self.abbreviations.borrow_mut() = Some((offset, Arc::clone(&abbreviations)));
        Unit::new_with_abbreviations(&self.dwarf, header, abbreviations)
    }

    /// The unit that an entry lies in.
    pub(super) fn around(&self, entry: DebugInfoOffset) -> Option<Rc<Unit<Reader<'data>>>> {
        let headers = self.headers.get_or_init(|| self.read_headers());
        let after = headers.partition_point(|(start, _)| start.0 <= entry.0);
        let position = after.checked_sub(1)?;

        if let Some(unit) = self.recent.borrow().get(&position) {
            return Some(Rc::clone(unit));
        }
        let unit = Rc::new(self.read(headers[position].1).ok()?);
        let mut recent = self.recent.borrow_mut();
        if recent.len() == MAX_RECENT {
            recent.clear();
        }
        recent.insert(position, Rc::clone(&unit));
        Some(unit)
    }

    fn read_headers(&self) -> Vec<(DebugInfoOffset, UnitHeader<Reader<'data>>)> {
        let mut headers = Vec::new();
        let mut units = self.dwarf.units();
        while let Ok(Some(header)) = units.next() {
            headers.extend(header.debug_info_offset().map(|offset| (offset, header)));
        }
        headers
    }
}
