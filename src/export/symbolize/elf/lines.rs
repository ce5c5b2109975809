#![forbid(unsafe_code)]
//! Files and lines of a unit's addresses.
//!
//! The line program is run once for all of them, and only their rows are kept.

use gimli::{FileEntry, LineProgramHeader, Result, UnitRef};

use super::ranges;
use super::sections::Reader;

/// A place in the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index into the unit's files.
    pub(super) file: Option<u64>,
    /// 0 if unknown.
    pub(super) line: u32,
}

/// The places of the addresses asked for.
#[derive(Debug)]
pub(super) struct Lines {
    addresses: Vec<u64>,
    places: Vec<Option<Place>>,
}

impl Lines {
    /// Finds them for `addresses`, which are sorted.
    pub(super) fn find(unit: UnitRef<'_, Reader<'_>>, addresses: Vec<u64>) -> Result<Self> {
        let mut lines = Self {
            places: vec![None; addresses.len()],
            addresses,
        };
        let Some(program) = unit.line_program.clone() else {
            return Ok(lines);
        };
        let mut rows = program.rows();
        let mut last: Option<(u64, Place)> = None;
        while let Some((_, row)) = rows.next_row()? {
            if let Some((begin, place)) = last {
                lines.add(begin, row.address(), place);
            }
            let place = Place {
                file: Some(row.file_index()),
                line: row.line().map_or(0, |line| line.get() as u32),
            };
            last = (!row.end_sequence()).then_some((row.address(), place));
        }
        Ok(lines)
    }

    fn add(&mut self, begin: u64, end: u64, place: Place) {
        for known in &mut self.places[ranges::covered(&self.addresses, gimli::Range { begin, end })]
        {
            known.get_or_insert(place);
        }
    }

    /// The place of one of the addresses.
    pub(super) fn of(&self, address: u64) -> Option<Place> {
        let index = self.addresses.binary_search(&address).ok()?;
        self.places[index]
    }

    /// The addresses that have a place.
    pub(super) fn known(&self) -> impl Iterator<Item = u64> {
        let pairs = self.addresses.iter().zip(&self.places);
        pairs
            .filter(|(_, place)| place.is_some())
            .map(|(&address, _)| address)
    }
}

/// The path of one of the unit's files; empty if unknown.
pub(super) fn path(unit: UnitRef<'_, Reader<'_>>, file: u64) -> String {
    let path = || {
        let header = unit.line_program.as_ref()?.header();
        render(unit, header.file(file)?, header)
    };
    path().unwrap_or_default()
}

fn render<'data>(
    unit: UnitRef<'_, Reader<'data>>,
    file: &FileEntry<Reader<'data>>,
    header: &LineProgramHeader<Reader<'data>>,
) -> Option<String> {
    let mut path = unit
        .comp_dir
        .map(|folder| folder.to_string_lossy().into_owned())
        .unwrap_or_default();
    // Folder 0 is the one that the compiler ran in.
    if file.directory_index() != 0
        && let Some(folder) = file.directory(header)
    {
        join(&mut path, &unit.attr_string(folder).ok()?.to_string_lossy());
    }
    join(
        &mut path,
        &unit.attr_string(file.path_name()).ok()?.to_string_lossy(),
    );
    Some(path)
}

fn join(path: &mut String, rest: &str) {
    if rest.starts_with('/') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(rest);
}
