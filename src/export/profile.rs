#![forbid(unsafe_code)]
//! Stacks as a profile: samples that refer to locations, locations to functions
//! and mappings. What the samples count is for whoever makes the profile to say.
//!
//! Everything is in an order that follows from the stacks alone, so that the same
//! stacks give the same profile.

mod addresses;
mod interner;
mod stack;

use std::mem;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::module::{Module, Segment};

use super::Symbols;
use super::frame::Frame;
use super::hidden::hidden_frames;
use addresses::{AddressId, Addresses};
#[cfg(unix)]
pub(crate) use addresses::{mapping_at, mappings};
pub(super) use interner::Interner;
pub(crate) use stack::{Label, LabelValue, Stack, Values};

/// An index into [`Profile::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FunctionId(pub(crate) usize);

/// An index into [`Profile::locations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LocationId(pub(crate) usize);

/// An index into [`Profile::mappings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MappingId(pub(crate) usize);

/// Which frames at the top of a stack are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hide {
    /// Those of the allocator: see [`super::hidden`].
    Allocator,
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    Nothing,
}

/// Stacks, ready to be encoded.
#[derive(Debug)]
pub(crate) struct Profile<V> {
    pub(crate) samples: Vec<Sample<V>>,
    pub(crate) locations: Vec<Location>,
    pub(crate) functions: Vec<Function>,
    /// The main program first, as pprof expects.
    pub(crate) mappings: Vec<Mapping>,
    /// Modules that names are missing for, and why.
    pub(crate) problems: Vec<String>,
}

/// What was counted at one stack, under the same labels.
#[derive(Debug)]
pub(crate) struct Sample<V> {
    /// Innermost first.
    pub(crate) locations: Vec<LocationId>,
    pub(crate) labels: Vec<Label>,
    pub(crate) values: V,
}

/// An address in code, without the frames that are not shown.
#[derive(Debug)]
pub(crate) struct Location {
    /// Inside the call instruction. 0 for what has no address.
    pub(crate) address: u64,
    pub(crate) mapping: Option<MappingId>,
    /// From the beginning of the outermost line's function; nothing if unknown.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) function_offset: Option<u32>,
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

impl<V: Values> Profile<V> {
    /// Symbolizes the stacks' addresses. Samples come in the order of the stacks;
    /// those of equal stacks and labels are one.
    pub(crate) fn new(
        stacks: Vec<Stack<'_, V>>,
        modules: &[Arc<Module>],
        symbols: Symbols,
        hide: Hide,
    ) -> Self {
        let mut addresses = Addresses::new(&stacks, modules, symbols);
        let profile = Profile {
            samples: Vec::new(),
            locations: Vec::new(),
            functions: Vec::new(),
            mappings: mem::take(&mut addresses.mappings),
            problems: mem::take(&mut addresses.problems),
        };
        let mut builder = Builder::new(&addresses, profile, hide);
        for stack in stacks {
            builder.add(stack);
        }
        let mut profile = builder.profile;
        profile.samples.retain(|sample| !sample.values.is_nothing());
        profile
    }
}

/// What makes a location: an address and how many of its innermost frames are
/// hidden, or a line of text where there is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LocationKey {
    Code { address: AddressId, hidden: usize },
    Note(&'static str),
}

struct Builder<'a, V> {
    addresses: &'a Addresses,
    hide: Hide,
    profile: Profile<V>,
    locations: Interner<LocationKey>,
    functions: Interner<(Arc<str>, Arc<str>, Arc<str>)>,
    /// Positions in `profile.samples`.
    samples: FxHashMap<(Vec<LocationId>, Vec<Label>), usize>,
}

impl<'a, V: Values> Builder<'a, V> {
    fn new(addresses: &'a Addresses, profile: Profile<V>, hide: Hide) -> Self {
        Self {
            addresses,
            hide,
            profile,
            locations: Interner::default(),
            functions: Interner::default(),
            samples: FxHashMap::default(),
        }
    }

    fn add(&mut self, stack: Stack<'_, V>) {
        let ids: Vec<AddressId> = self.addresses.of(&stack).collect();
        let owners = ids.iter().flat_map(|&id| self.addresses.owners(id));
        let mut hidden = match self.hide {
            Hide::Allocator => hidden_frames(owners.copied()),
            Hide::Nothing => 0,
        };

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
        locations.extend(
            stack
                .note
                .map(|note| self.location(LocationKey::Note(note))),
        );
        self.add_sample(locations, stack.labels, stack.values);
    }

    fn add_sample(&mut self, locations: Vec<LocationId>, labels: Vec<Label>, values: V) {
        let samples = &mut self.profile.samples;
        let key = (locations, labels);
        if let Some(&index) = self.samples.get(&key) {
            samples[index].values = samples[index].values.plus(&values);
            return;
        }
        samples.push(Sample {
            locations: key.0.clone(),
            labels: key.1.clone(),
            values,
        });
        self.samples.insert(key, samples.len() - 1);
    }

    fn location(&mut self, key: LocationKey) -> LocationId {
        let (index, is_new) = self.locations.id(key);
        if is_new {
            let location = match key {
                LocationKey::Code { address, hidden } => Location {
                    address: self.addresses.address(address),
                    mapping: self.addresses.mapping(address),
                    function_offset: self
                        .addresses
                        .frames(address)
                        .last()
                        .and_then(|frame| frame.function_offset),
                    lines: self.addresses.frames(address)[hidden..]
                        .iter()
                        .map(|frame| self.line(frame))
                        .collect(),
                },
                LocationKey::Note(note) => Location {
                    address: 0,
                    mapping: None,
                    function_offset: None,
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
            function_offset: None,
        })
    }
}
