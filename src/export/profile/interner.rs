#![forbid(unsafe_code)]
//! Numbers in order of first use.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use rustc_hash::FxHashMap;

#[derive(Debug)]
pub(crate) struct Interner<K>(FxHashMap<K, usize>);

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Eq + Hash> Interner<K> {
    /// The number of `key`, and whether it is new.
    pub(crate) fn id(&mut self, key: K) -> (usize, bool) {
        let next = self.0.len();
        match self.0.entry(key) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(vacant) => (*vacant.insert(next), true),
        }
    }
}
