//! The rules of addresses that were met before: one load and compare instead of
//! a search in the unwind tables.
//!
//! An address may take any of the four ways of its set. With one way, two frames of
//! a stack that share it would both be looked up anew at every sample, and of 40
//! frames, two more often than not share one of a thousand.

use super::rule::PackedRule;
use crate::record::sync::{AtomicU64, Ordering, fence};

/// 24 KiB a cache, touched as it is used.
const SETS_LOG2: u32 = 8;
const SETS: usize = 1 << SETS_LOG2;
const WAYS: usize = 4;

/// No code is there.
const NOWHERE: u64 = 0;

/// See the module's description. One thread at a time uses it. Zeros are an empty
/// one.
#[derive(Debug)]
pub(super) struct RuleCache {
    sets: [Set; SETS],
    /// Counts the rules that took the place of others, to take turns.
    replaced: usize,
}

#[derive(Debug, Default)]
#[repr(C, align(32))]
struct Set {
    /// Written last and cleared first: a process that is forked off while a
    /// thread writes inherits an entry as it was, as it will be, or as none.
    addresses: [AtomicU64; WAYS],
    found: [Found; WAYS],
}

/// What was found out about an address.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Found {
    pub(super) rule: PackedRule,
    /// The list of modules that it was looked up in.
    pub(super) generation: u32,
    /// Which of them it is in.
    pub(super) image: u32,
}

impl RuleCache {
    #[inline(always)]
    pub(super) fn get(&self, address: u64, generation: u32) -> Option<Found> {
        let set = self.sets.get(set_of(address))?;
        let way = set.way_of(address)?;
        let found = set.found.get(way)?;
        (found.generation == generation).then_some(*found)
    }

    pub(super) fn put(&mut self, address: u64, found: Found) {
        let Some(set) = self.sets.get_mut(set_of(address)) else {
            return;
        };
        // Its own, of an older list of modules, or an empty one, or the next in turn.
        let way = set
            .way_of(address)
            .or_else(|| set.way_of(NOWHERE))
            .unwrap_or_else(|| {
                self.replaced = self.replaced.wrapping_add(1);
                self.replaced & WAYS.wrapping_sub(1)
            });
        let (Some(its_address), Some(its_found)) = (set.addresses.get(way), set.found.get_mut(way))
        else {
            return;
        };
        // A forked child sees some prefix of these stores. Release keeps what
        // was found before the address; the fence keeps it after the clearing.
        its_address.store(NOWHERE, Ordering::Relaxed);
        fence(Ordering::Release);
        *its_found = found;
        its_address.store(address, Ordering::Release);
    }
}

impl Set {
    /// Where this address is.
    #[inline(always)]
    fn way_of(&self, address: u64) -> Option<usize> {
        // Relaxed: only a fork looks on while it is written, see `put`.
        self.addresses
            .iter()
            .position(|other| other.load(Ordering::Relaxed) == address)
    }
}

/// Return addresses differ in their low bits mostly.
#[inline(always)]
fn set_of(address: u64) -> usize {
    (address ^ (address >> SETS_LOG2)) as usize & SETS.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::*;

    fn empty() -> RuleCache {
        RuleCache {
            sets: std::array::from_fn(|_| Set::default()),
            replaced: 0,
        }
    }

    #[test]
    fn zeros_are_an_empty_cache() {
        // SAFETY: numbers, for all of which zero bytes are a value.
        let zeros: RuleCache = unsafe { std::mem::zeroed() };
        assert!(zeros.get(0x1234, 3).is_none());
        assert!(zeros.get(0x1234, 0).is_none());
    }

    #[test]
    fn finds_what_was_put_under_the_same_modules() {
        let mut cache = empty();
        let found = |image| Found {
            generation: 3,
            image,
            rule: PackedRule::of(Rule::Root),
        };
        cache.put(0x1234, found(7));
        assert_eq!(cache.get(0x1234, 3).map(|found| found.image), Some(7));
        assert!(cache.get(0x1234, 4).is_none());
        assert!(cache.get(0x1235, 3).is_none());
        assert!(empty().get(0x1234, 3).is_none());

        cache.put(
            0x1234,
            Found {
                generation: 4,
                ..found(8)
            },
        );
        assert_eq!(cache.get(0x1234, 4).map(|found| found.image), Some(8));
        assert!(cache.get(0x1234, 3).is_none());
    }

    #[test]
    fn a_set_holds_four_and_then_the_newest() {
        let mut cache = empty();
        let found = |image| Found {
            generation: 3,
            image,
            rule: PackedRule::of(Rule::Root),
        };
        let same_set = |address: &u64| set_of(*address) == set_of(0x1234);
        let addresses: Vec<u64> = (1..).filter(same_set).take(6).collect();
        let held = |cache: &RuleCache| {
            let images = addresses.iter().map(|&address| cache.get(address, 3));
            images
                .filter_map(|found| Some(found?.image))
                .collect::<Vec<_>>()
        };
        for (image, &address) in (0..).zip(&addresses[..4]) {
            cache.put(address, found(image));
            cache.put(address, found(image));
        }
        assert_eq!(held(&cache), [0, 1, 2, 3]);
        cache.put(addresses[4], found(4));
        cache.put(addresses[5], found(5));
        let held = held(&cache);
        assert_eq!((held.len(), &held[2..]), (4, &[4, 5][..]));
    }
}
