//! The rules of addresses that were met before: one load and compare instead of
//! a search in the unwind tables. Direct-mapped; a newer address takes the place
//! of an older one.
use super::rule::PackedRule;
use crate::record::sync::{AtomicU64, Ordering, fence};

/// 24 KiB a cache, touched as it is used.
const LEN_LOG2: u32 = 10;
const LEN: usize = 1 << LEN_LOG2;

/// No code is there.
const NOWHERE: u64 = 0;

/// See the module's description. One thread at a time uses it. Zeros are an empty
/// one.
#[derive(Debug)]
pub(super) struct RuleCache {
    entries: [Entry; LEN],
}

#[derive(Debug, Default)]
struct Entry {
    /// Written last and cleared first: a process that is forked off while a
    /// thread writes inherits the entry as it was, as it will be, or as none.
    address: AtomicU64,
    found: Found,
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
        let entry = self.entries.get(slot_of(address))?;
        // Relaxed: only a fork looks on while it is written, see `put`.
        let is_it = entry.address.load(Ordering::Relaxed) == address
            && entry.found.generation == generation;
        is_it.then_some(entry.found)
    }

    pub(super) fn put(&mut self, address: u64, found: Found) {
        let Some(entry) = self.entries.get_mut(slot_of(address)) else {
            return;
        };
        // A forked child sees some prefix of these stores. Release keeps what
        // was found before the address; the fence keeps it after the clearing.
        entry.address.store(NOWHERE, Ordering::Relaxed);
        fence(Ordering::Release);
        entry.found = found;
        entry.address.store(address, Ordering::Release);
    }
}

/// Return addresses differ in their low bits mostly.
#[inline(always)]
fn slot_of(address: u64) -> usize {
    (address ^ (address >> LEN_LOG2)) as usize & LEN.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::*;

    fn empty() -> RuleCache {
        RuleCache {
            entries: std::array::from_fn(|_| Entry::default()),
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

        let same_slot = (1..).find(|&a| slot_of(a) == slot_of(0x1234)).unwrap();
        cache.put(same_slot, found(8));
        assert!(cache.get(0x1234, 3).is_none());
        assert_eq!(cache.get(same_slot, 3).map(|found| found.image), Some(8));
    }
}
