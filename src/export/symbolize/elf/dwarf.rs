#![forbid(unsafe_code)]
//! Files, lines, inlined frames and start lines from DWARF.
//!
//! Debug information is a hundred times the size of what is asked of it. So the
//! units are gone through one after the other, each read for all addresses that
//! lie in it and dropped before the next. (`addr2line`, which is less to maintain,
//! keeps every unit that it once read: 20 to 60 MiB, most of which an allocator
//! keeps as well. A test holds these frames against its.)

use std::path::Path;

use gimli::{Dwarf, Error, UnitHeader, UnitOffset, UnitRef, UnitType};

use super::declaration::Declaration;
use super::lines::{self, Lines, Place};
use super::object_file::Elf;
use super::ranges;
use super::scopes::Scopes;
use super::sections::{self, Reader, Storage};
use super::split_dwarf::SplitDwarf;
use super::units::Units;
use super::{Frame, Strings, set_name, unnamed_frame};

/// The frames of each address; none for all of them if the DWARF is unusable.
///
/// `addresses` are the file's own, sorted. `path` is the program's or library's.
pub(super) fn frames(
    elf: &Elf<'_>,
    path: &Path,
    addresses: &[u64],
    strings: &mut Strings,
) -> Vec<Vec<Frame>> {
    let mut frames = vec![Vec::new(); addresses.len()];
    let storage = Storage::default();
    if let Some(debug_info) = DebugInfo::load(elf, path, &storage) {
        let mut headers = debug_info.units.dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            // A broken unit says nothing of the others.
            let _ = debug_info.read_unit(header, addresses, &mut frames, strings);
        }
    }
    frames
}

struct DebugInfo<'data> {
    units: Units<'data>,
    split: SplitDwarf<'data>,
}

impl<'data> DebugInfo<'data> {
    fn load(elf: &Elf<'data>, path: &Path, storage: &'data Storage) -> Option<Self> {
        if !sections::fit(elf) {
            return None;
        }
        let dwarf = Dwarf::load(|id| storage.section(elf, sections::name(id))).ok()?;
        Some(Self {
            units: Units::new(dwarf),
            split: SplitDwarf::new(path, storage),
        })
    }

    /// Adds the frames of the addresses that lie in a unit.
    fn read_unit(
        &self,
        header: UnitHeader<Reader<'data>>,
        addresses: &[u64],
        frames: &mut [Vec<Frame>],
        strings: &mut Strings,
    ) -> Result<(), Error> {
        // Others have no code.
        if !matches!(
            header.type_(),
            UnitType::Compilation | UnitType::Skeleton(_)
        ) {
            return Ok(());
        }
        let unit = self.units.read(header)?;
        let unit = UnitRef::new(&self.units.dwarf, &unit);
        let mut indices = covered_by_unit(unit, addresses)?;
        indices.retain(|&index| frames[index].is_empty());
        if indices.is_empty() {
            return Ok(());
        }
        let covered: Vec<u64> = indices.iter().map(|&index| addresses[index]).collect();

        // A split unit that cannot be had leaves what the program itself says.
        let split = self.split.load(unit);
        let entries = match &split {
            Some((dwarf, split)) => UnitRef::new(dwarf, split),
            None => unit,
        };
        let scopes = Scopes::find(entries, &covered)?;
        let mut places: Vec<u64> = scopes.first_instructions().chain(covered.clone()).collect();
        places.sort_unstable();
        places.dedup();
        let unit = UnitFrames {
            unit,
            entries,
            units: &self.units,
            lines: Lines::find(unit, places)?,
            scopes,
        };
        for (number, (index, address)) in indices.into_iter().zip(covered).enumerate() {
            frames[index] = unit.frames(number, address, strings);
        }
        Ok(())
    }
}

/// Indices of the addresses that a unit speaks for.
fn covered_by_unit(unit: UnitRef<'_, Reader<'_>>, addresses: &[u64]) -> Result<Vec<usize>, Error> {
    let mut indices = Vec::new();
    let mut attributes = Vec::new();
    let mut entries = unit.entries_raw(None)?;
    if let Some(root) = entries.read_abbreviation()? {
        entries.read_attributes(root.attributes(), &mut attributes)?;
    }
    let has_ranges = ranges::of_entry(unit, &attributes, |range| {
        indices.extend(ranges::covered(addresses, range));
    })?;
    if !has_ranges {
        let lines = Lines::find(unit, addresses.to_vec())?;
        let known = lines.known();
        indices.extend(known.filter_map(|address| addresses.binary_search(&address).ok()));
    }
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

/// What a unit says of its addresses.
struct UnitFrames<'unit, 'data> {
    unit: UnitRef<'unit, Reader<'data>>,
    /// The unit with the entries: another one if it was split off.
    entries: UnitRef<'unit, Reader<'data>>,
    units: &'unit Units<'data>,
    scopes: Scopes,
    lines: Lines,
}

impl UnitFrames<'_, '_> {
    /// The frames of an address, innermost first.
    fn frames(&self, number: usize, address: u64, strings: &mut Strings) -> Vec<Frame> {
        let mut place = self.lines.of(address);
        let Some((function, calls)) = self.scopes.of(number) else {
            return Vec::from_iter(place.map(|place| self.frame(None, Some(place), strings)));
        };
        let mut frames = Vec::with_capacity(calls.len() + 1);
        for call in calls.iter().rev() {
            frames.push(self.frame(Some(call.entry), place, strings));
            place = Some(Place {
                file: call.file,
                line: call.line,
            });
        }
        let mut frame = self.frame(Some(function.entry), place, strings);
        if frame.start_line == 0
            && let Some(first) = function.first_instruction
        {
            frame.start_line = self.lines.of(first).map_or(0, |place| place.line);
        }
        frames.push(frame);
        frames
    }

    fn frame(
        &self,
        entry: Option<UnitOffset>,
        place: Option<Place>,
        strings: &mut Strings,
    ) -> Frame {
        let mut frame = unnamed_frame(strings);
        let declaration = entry
            .map(|entry| Declaration::find(self.units, self.entries, entry))
            .unwrap_or_default();
        if let Some(name) = declaration.name {
            set_name(&mut frame, &name.to_string_lossy(), strings);
            // Bare names of functions are in the DWARF, names of symbols are not
            // necessarily: leave the linker's name to the symbol table.
            if frame.name == frame.system_name {
                frame.system_name = strings.share("");
            }
        }
        if let Some(place) = place {
            let file = place.file.map(|file| lines::path(self.unit, file));
            frame.file = strings.share(&file.unwrap_or_default());
            frame.line = place.line;
        }
        frame.start_line = declaration.line.unwrap_or(0);
        frame
    }
}
