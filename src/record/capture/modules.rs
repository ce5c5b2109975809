//! What is loaded where, for the unwinder and for the profile.
//!
//! Captures read the current [`ModuleSet`] without waiting for anyone. A refresh
//! asks the loader what is loaded and publishes a new set if that changed. It
//! takes the loader's lock and allocates, so it never runs inside an
//! allocation: only when the program starts, when the interval is set and at
//! every snapshot.
#![allow(clippy::disallowed_types)]

use std::ops::Range;
use std::sync::Arc;

use framehop::{CacheNative, MustNotAllocateDuringUnwind, Unwinder as _, UnwinderNative};

use super::image::{Loaded, Sections, list_loaded};
use crate::module::Module;
use crate::record::pool::Pool;

pub(super) type Cache = CacheNative<MustNotAllocateDuringUnwind>;
pub(super) type Unwinder = UnwinderNative<Sections, MustNotAllocateDuringUnwind>;

/// Caches, 33 KB each: how many threads can unwind at the same moment.
const MAX_CACHES: usize = 32;
/// Modules that were closed and are still named in older stacks.
const MAX_CLOSED_MODULES: usize = 256;

static MODULES: Pool<ModuleSet, Cache, MAX_CACHES> = Pool::new();

/// What was loaded at one time.
pub(super) struct ModuleSet {
    generation: u32,
    loaded: Vec<Loaded>,
    closed: Vec<Arc<Module>>,
    /// Executable address ranges, in order.
    code: Vec<Range<u64>>,
    unwinder: Unwinder,
}

impl ModuleSet {
    fn new(generation: u32, loaded: Vec<Loaded>, closed: Vec<Arc<Module>>) -> Self {
        let segments = loaded.iter().flat_map(|loaded| &loaded.module.segments);
        let mut code: Vec<_> = segments
            .map(|segment| segment.start..segment.limit)
            .collect();
        code.sort_by_key(|range| range.start);
        let mut unwinder = Unwinder::new();
        for unwind in loaded.iter().filter_map(|loaded| loaded.unwind.clone()) {
            unwinder.add_module(unwind);
        }
        Self {
            generation,
            loaded,
            closed,
            code,
            unwinder,
        }
    }

    /// A set of what is loaded now, or `None` if that is what `before` says.
    fn newer_than(before: Option<&Self>) -> Option<Self> {
        let known = before.map_or(&[][..], |set| &set.loaded);
        let generation = before.map_or(1, |set| set.generation.saturating_add(1));
        let loaded = list_loaded(known, generation);
        let is_same = loaded.len() == known.len()
            && loaded
                .iter()
                .zip(known)
                .all(|(new, old)| Arc::ptr_eq(&new.module, &old.module));
        if before.is_some() && is_same {
            return None;
        }
        let closed =
            before.map_or_else(Vec::new, |before| before.closed_since(&loaded, generation));
        Some(Self::new(generation, loaded, closed))
    }

    /// Modules of this set and earlier ones that are gone, the latest first.
    fn closed_since(&self, loaded: &[Loaded], generation: u32) -> Vec<Arc<Module>> {
        let is_gone = |old: &&Loaded| {
            !loaded
                .iter()
                .any(|new| Arc::ptr_eq(&new.module, &old.module))
        };
        let just_closed = self.loaded.iter().filter(is_gone).map(|old| {
            Arc::new(Module {
                until_generation: generation,
                ..Module::clone(&old.module)
            })
        });
        just_closed
            .chain(self.closed.iter().map(Arc::clone))
            .take(MAX_CLOSED_MODULES)
            .collect()
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn unwinder(&self) -> &Unwinder {
        &self.unwinder
    }

    /// The code of a known module that this address is in.
    pub(super) fn code_around(&self, address: u64) -> Option<&Range<u64>> {
        let after = self.code.partition_point(|range| range.start <= address);
        let range = self.code.get(after.checked_sub(1)?)?;
        (address < range.end).then_some(range)
    }
}

/// Calls `f` with the current modules and a cache, unless there are none yet or
/// every cache is in use.
pub(super) fn with_current(process_generation: u64, f: impl FnOnce(&ModuleSet, &mut Cache)) {
    // Threads are told apart by where their stacks are.
    let begin_at = (core::ptr::from_ref(&f).addr() >> 16).wrapping_mul(7);
    MODULES.read(begin_at, process_generation, f);
}

/// Makes sure that there are caches for `threads` threads, as far as the pool
/// goes. Allocates; the caller is busy.
pub(crate) fn fill_pool(threads: u64, process_generation: u64) {
    while (MODULES.filled() as u64) < threads.min(MAX_CACHES as u64) {
        let Some(mut change) = MODULES.try_change(process_generation) else {
            return;
        };
        // Before the program is set up nothing can be unwound.
        if change.current().is_none() || !change.add_seat(Cache::new_in()) {
            return;
        }
    }
}

/// Asks the loader what is loaded, publishes it for captures, and returns every
/// module that a recorded address can belong to. Takes the loader's lock and
/// allocates; the caller is busy.
pub(crate) fn refresh(process_generation: u64) -> Vec<Arc<Module>> {
    let mut change = loop {
        match MODULES.try_change(process_generation) {
            Some(change) => break change,
            None => std::thread::yield_now(),
        }
    };
    if let Some(newer) = ModuleSet::newer_than(change.current()) {
        change.publish(newer);
    }
    change.free_replaced();
    change.current().map_or_else(Vec::new, |set| {
        let loaded = set.loaded.iter().map(|loaded| &loaded.module);
        loaded.chain(&set.closed).map(Arc::clone).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This program, the C library, and this very function are found; a second
    /// look changes nothing.
    #[test]
    fn finds_what_is_loaded() {
        let modules = refresh(1);
        let here = finds_what_is_loaded as *const () as u64;
        let libc = libc::free as *const () as u64;
        let generation = modules
            .iter()
            .map(|module| module.since_generation)
            .max()
            .unwrap();
        let module_of = |address| {
            modules
                .iter()
                .find(|module| module.segment_of(address, generation).is_some())
                .unwrap()
        };
        assert!(module_of(here).is_main_program);
        assert_eq!(module_of(here).path, std::env::current_exe().unwrap());
        assert!(module_of(libc).path.to_string_lossy().contains("libc"));
        assert!(!module_of(libc).build_id.is_empty());

        let again = refresh(1);
        assert!(
            again
                .iter()
                .zip(&modules)
                .all(|(again, module)| Arc::ptr_eq(again, module))
        );
        assert_eq!(again.len(), modules.len());
    }

    /// What is gone is remembered with its time, and not mistaken for what came.
    #[test]
    fn closed_modules_are_kept_for_older_stacks() {
        let loaded = list_loaded(&[], 1);
        let before = ModuleSet::new(1, loaded.clone(), Vec::new());
        let closed = before.closed_since(&loaded[1..], 2);
        assert_eq!(closed.len(), 1);
        let start = closed[0].segments[0].start;
        assert!(closed[0].segment_of(start, 1).is_some());
        assert!(closed[0].segment_of(start, 2).is_none());
        assert!(before.code_around(start).is_some());
        assert!(before.code_around(0).is_none() && before.code_around(u64::MAX).is_none());
    }
}
