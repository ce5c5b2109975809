#![forbid(unsafe_code)]
//! A snapshot as a profile: samples that refer to locations, locations to
//! functions and mappings.
//!
//! Everything is in an order that follows from the snapshot's contents alone, so
//! that the same snapshot gives the same profile.

mod addresses;
mod interner;

use std::mem;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::counts::Counts;
use crate::module::{Module, Segment};
use crate::snapshot::{Record, Snapshot, StackEnd};

use super::Symbols;
use super::frame::Frame;
use super::hidden::hidden_frames;
use addresses::{AddressId, Addresses};
use interner::Interner;

/// An index into [`Profile::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FunctionId(pub(crate) usize);

/// An index into [`Profile::locations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LocationId(pub(crate) usize);

/// An index into [`Profile::mappings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MappingId(pub(crate) usize);

/// A snapshot, ready to be encoded.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) samples: Vec<Sample>,
    pub(crate) locations: Vec<Location>,
    pub(crate) functions: Vec<Function>,
    /// The main program first, as pprof expects.
    pub(crate) mappings: Vec<Mapping>,
    /// Modules that names are missing for, and why.
    pub(crate) problems: Vec<String>,
}

/// What was allocated at one stack in objects of one size.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Innermost first.
    pub(crate) locations: Vec<LocationId>,
    /// In bytes; unknown of lost samples.
    pub(crate) object_size: Option<u64>,
    pub(crate) allocated: Counts,
    pub(crate) in_use: Counts,
}

/// An address in code, without the frames that are not shown.
#[derive(Debug)]
pub(crate) struct Location {
    /// Inside the call instruction. 0 for what has no address.
    pub(crate) address: u64,
    pub(crate) mapping: Option<MappingId>,
    /// Innermost first; several if calls were inlined, none if unknown.
    pub(crate) lines: Vec<Line>,
}

/// A line of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) function: FunctionId,
    /// 1-based; 0 if unknown.
    pub(crate) line: u32,
}

/// A function: see [`Frame`] for what the strings are.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: Arc<str>,
    pub(crate) system_name: Arc<str>,
    pub(crate) file: Arc<str>,
    pub(crate) start_line: u32,
}

/// An executable segment of a module.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) module: Arc<Module>,
    pub(crate) segment: Segment,
    /// Every address in use there has a name.
    pub(crate) is_symbolized: bool,
}

impl Profile {
    /// Symbolizes the snapshot's addresses and leaves out the allocator's frames.
    pub(crate) fn new(snapshot: &Snapshot, symbols: Symbols) -> Self {
        let mut addresses = Addresses::new(snapshot, symbols);
        let profile = Profile {
            mappings: mem::take(&mut addresses.mappings),
            problems: mem::take(&mut addresses.problems),
            ..Self::default()
        };
        let mut builder = Builder::new(&addresses, profile);
        let mut records: Vec<&Record> = snapshot.records.iter().collect();
        records.sort_by_key(|r| {
            (
                r.stack,
                r.stack_end,
                r.object_size,
                r.module_generation,
                r.id,
            )
        });
        for record in records {
            builder.add_record(record);
        }
        builder.add_lost(snapshot);
        builder.finish()
    }
}

/// What makes a location: an address and how many of its innermost frames are
/// hidden, or a line of text where there is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LocationKey {
    Code { address: AddressId, hidden: usize },
    Note(&'static str),
}

struct Builder<'a> {
    addresses: &'a Addresses,
    profile: Profile,
    locations: Interner<LocationKey>,
    functions: Interner<(Arc<str>, Arc<str>, Arc<str>)>,
    /// Positions in `profile.samples`.
    samples: FxHashMap<(Vec<LocationId>, u64), usize>,
}

impl<'a> Builder<'a> {
    fn new(addresses: &'a Addresses, profile: Profile) -> Self {
        Self {
            addresses,
            profile,
            locations: Interner::default(),
            functions: Interner::default(),
            samples: FxHashMap::default(),
        }
    }

    fn add_record(&mut self, record: &Record) {
        let ids: Vec<AddressId> = self.addresses.of(record).collect();
        let owners = ids.iter().flat_map(|&id| self.addresses.owners(id));
        let mut hidden = hidden_frames(owners.copied());

        let mut locations = Vec::with_capacity(ids.len() + 1);
        for address in ids {
            let frames = self.addresses.owners(address).len();
            if hidden >= frames {
                hidden -= frames;
                continue;
            }
            locations.push(self.location(LocationKey::Code { address, hidden }));
            hidden = 0;
        }
        let note = match record.stack_end {
            StackEnd::Root => None,
            StackEnd::TooDeep => Some("[truncated: deeper than 128 frames]"),
            StackEnd::Cut => Some("[cut: unknown code]"),
            StackEnd::NotCaptured => Some("[no stack]"),
        };
        locations.extend(note.map(|note| self.location(LocationKey::Note(note))));
        self.add_sample(locations, record);
    }

    fn add_sample(&mut self, locations: Vec<LocationId>, record: &Record) {
        let samples = &mut self.profile.samples;
        let key = (locations, record.object_size);
        if let Some(&index) = self.samples.get(&key) {
            let sample = &mut samples[index];
            sample.allocated = sample.allocated.plus(&record.allocated);
            sample.in_use = sample.in_use.plus(&record.in_use);
            return;
        }
        samples.push(Sample {
            locations: key.0.clone(),
            object_size: Some(record.object_size),
            allocated: record.allocated,
            in_use: record.in_use,
        });
        self.samples.insert(key, samples.len() - 1);
    }

    /// Samples that could not be kept are allocations all the same. Whether they
    /// were freed is not known.
    fn add_lost(&mut self, snapshot: &Snapshot) {
        let stats = &snapshot.stats;
        if stats.lost_samples == 0 {
            return;
        }
        let locations = vec![self.location(LocationKey::Note("[lost]"))];
        let allocated = Counts::estimated(
            i64::try_from(stats.lost_objects).unwrap_or(i64::MAX),
            i64::try_from(stats.lost_bytes).unwrap_or(i64::MAX),
        );
        let in_use = Counts::default();
        self.profile.samples.push(Sample {
            locations,
            object_size: None,
            allocated,
            in_use,
        });
    }

    fn location(&mut self, key: LocationKey) -> LocationId {
        let (index, is_new) = self.locations.id(key);
        if is_new {
            let location = match key {
                LocationKey::Code { address, hidden } => Location {
                    address: self.addresses.address(address),
                    mapping: self.addresses.mapping(address),
                    lines: self.addresses.frames(address)[hidden..]
                        .iter()
                        .map(|frame| self.line(frame))
                        .collect(),
                },
                LocationKey::Note(note) => Location {
                    address: 0,
                    mapping: None,
                    lines: vec![self.note(note)],
                },
            };
            self.profile.locations.push(location);
        }
        LocationId(index)
    }

    fn line(&mut self, frame: &Frame) -> Line {
        let key = (
            frame.name.clone(),
            frame.system_name.clone(),
            frame.file.clone(),
        );
        let (index, is_new) = self.functions.id(key);
        if is_new {
            self.profile.functions.push(Function {
                name: frame.name.clone(),
                system_name: frame.system_name.clone(),
                file: frame.file.clone(),
                start_line: frame.start_line,
            });
        }
        let function = &mut self.profile.functions[index];
        if function.start_line == 0 {
            function.start_line = frame.start_line;
        }
        Line {
            function: FunctionId(index),
            line: frame.line,
        }
    }

    fn note(&mut self, note: &str) -> Line {
        let (name, nothing) = (Arc::from(note), Arc::from(""));
        self.line(&Frame {
            name,
            system_name: Arc::clone(&nothing),
            file: nothing,
            line: 0,
            start_line: 0,
        })
    }

    /// Without samples of which nothing is left after counters cancelled out.
    fn finish(self) -> Profile {
        let mut profile = self.profile;
        profile.samples.retain(|sample| {
            sample.allocated != Counts::default() || sample.in_use != Counts::default()
        });
        profile
    }
}
