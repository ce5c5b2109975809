#![forbid(unsafe_code)]
//! Every address of a profile's stacks once, with its mapping and its frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::export::Symbols;
use crate::export::frame::{Frame, Frames};
use crate::export::owner::{Owner, owner};
use crate::export::symbolize::symbolize;
use crate::module::Module;

use super::interner::Interner;
use super::{Mapping, MappingId, Stack};

/// One of the addresses of [`Addresses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AddressId(usize);

#[derive(Debug)]
struct Address {
    /// Inside the call instruction.
    address: u64,
    mapping: Option<MappingId>,
    frames: Frames,
    /// Of each frame; of an address without frames, one that hides nothing.
    owners: Vec<Owner>,
}

/// The addresses of a profile's stacks.
#[derive(Debug)]
pub(super) struct Addresses {
    list: Vec<Address>,
    /// By address and generation of the module list.
    ids: FxHashMap<(u64, u32), AddressId>,
    pub(super) mappings: Vec<Mapping>,
    /// Modules that names are missing for, and why.
    pub(super) problems: Vec<String>,
}

impl Addresses {
    pub(super) fn new<V>(
        stacks: &[Stack<'_, V>],
        modules: &[Arc<Module>],
        symbols: Symbols,
    ) -> Self {
        let mut addresses = Self {
            list: Vec::new(),
            ids: FxHashMap::default(),
            mappings: mappings(modules),
            problems: Vec::new(),
        };
        addresses.collect(stacks);
        addresses.symbolize(symbols);
        addresses.drop_unused_mappings();
        addresses
    }

    /// The addresses of a stack, innermost first.
    pub(super) fn of<V>(&self, stack: &Stack<'_, V>) -> impl Iterator<Item = AddressId> {
        keys(stack).map(|key| self.ids[&key])
    }

    pub(super) fn address(&self, id: AddressId) -> u64 {
        self.list[id.0].address
    }

    pub(super) fn mapping(&self, id: AddressId) -> Option<MappingId> {
        self.list[id.0].mapping
    }

    pub(super) fn frames(&self, id: AddressId) -> &[Frame] {
        &self.list[id.0].frames
    }

    pub(super) fn owners(&self, id: AddressId) -> &[Owner] {
        &self.list[id.0].owners
    }

    fn collect<V>(&mut self, stacks: &[Stack<'_, V>]) {
        // An address is the same one as long as its mapping is, whatever else
        // came and went between two generations.
        let mut distinct = Interner::default();
        for stack in stacks {
            for key @ (address, generation) in keys(stack) {
                if self.ids.contains_key(&key) {
                    continue;
                }
                let mapping = mapping_at(&self.mappings, address, generation);
                let (index, is_new) = distinct.id((address, mapping));
                if is_new {
                    let (frames, owners) = (Frames::default(), vec![Owner::User]);
                    self.list.push(Address {
                        address,
                        mapping,
                        frames,
                        owners,
                    });
                }
                self.ids.insert(key, AddressId(index));
            }
        }
    }

    fn symbolize(&mut self, symbols: Symbols) {
        for (mapping, mut indices) in self.by_mapping() {
            indices.sort_by_key(|&index| self.list[index].address);
            let asked: Vec<u64> = indices
                .iter()
                .map(|&index| self.list[index].address)
                .collect();
            let module = mapping.map(|id| &*self.mappings[id.0].module);
            let resolution = symbolize(module, &asked, symbols);

            if let Some(id) = mapping {
                self.mappings[id.0].is_symbolized =
                    resolution.frames.iter().all(|frames| !frames.is_empty());
            }
            self.problems.extend(resolution.problem);
            for (index, frames) in indices.into_iter().zip(resolution.frames) {
                if !frames.is_empty() {
                    self.list[index].owners =
                        frames.iter().map(|f| owner(&f.name, &f.file)).collect();
                    self.list[index].frames = frames;
                }
            }
        }
        self.problems.dedup();
    }

    fn by_mapping(&self) -> BTreeMap<Option<MappingId>, Vec<usize>> {
        let mut groups = BTreeMap::<_, Vec<usize>>::new();
        for (index, address) in self.list.iter().enumerate() {
            groups.entry(address.mapping).or_default().push(index);
        }
        groups
    }

    /// Closed libraries that no address belongs to would only overlap others.
    fn drop_unused_mappings(&mut self) {
        let mut used = vec![false; self.mappings.len()];
        for address in &self.list {
            if let Some(id) = address.mapping {
                used[id.0] = true;
            }
        }
        let keep = |index: usize, mapping: &Mapping| used[index] || mapping.module.is_loaded();
        let mut renumbered = Vec::with_capacity(self.mappings.len());
        let mut next = 0;
        for (index, mapping) in self.mappings.iter().enumerate() {
            renumbered.push(MappingId(next));
            next += usize::from(keep(index, mapping));
        }
        let mut index = 0;
        self.mappings.retain(|mapping| {
            index += 1;
            keep(index - 1, mapping)
        });
        for address in &mut self.list {
            address.mapping = address.mapping.map(|id| renumbered[id.0]);
        }
    }
}

fn keys<V>(stack: &Stack<'_, V>) -> impl Iterator<Item = (u64, u32)> {
    let generation = stack.module_generation;
    stack
        .frames
        .iter()
        .map(move |address| (address.lookup_address(), generation))
}

/// Every executable segment, the main program's first, then by address.
pub(crate) fn mappings(modules: &[Arc<Module>]) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = modules
        .iter()
        .flat_map(|module| {
            module.segments.iter().map(|&segment| Mapping {
                module: Arc::clone(module),
                segment,
                is_symbolized: false,
            })
        })
        .collect();
    mappings.sort_by_key(|mapping| {
        let module = &mapping.module;
        (
            !module.is_main_program,
            mapping.segment.start,
            module.since_generation,
        )
    });
    mappings
}

/// The one that an address was in while its module was loaded.
pub(crate) fn mapping_at(mappings: &[Mapping], address: u64, generation: u32) -> Option<MappingId> {
    let position = mappings.iter().position(|mapping| {
        let segment = mapping.module.segment_of(address, generation);
        segment.is_some_and(|segment| segment.start == mapping.segment.start)
    });
    position.map(MappingId)
}
