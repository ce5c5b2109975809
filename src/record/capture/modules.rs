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

use super::identity;
use super::image::{Loaded, Stay, list_loaded};
use super::own_stack::OwnStack;
use super::rule_cache::RuleCache;
use super::trail::Trail;
use super::unwind_table::{Context, UnwindTable};
use crate::module::Module;
use crate::record::fork_gate::ForkGate;
use crate::record::pool::Pool;
use crate::record::stack::StackBuffer;

/// How many threads can unwind at the same moment.
const MAX_SCRATCHES: usize = 32;
/// Modules that were closed and are still named in older stacks.
const MAX_CLOSED_MODULES: usize = 256;

static MODULES: Pool<ModuleSet, OwnStack<Scratch>, MAX_SCRATCHES> = Pool::new();

/// Keeps forks out while the loader is asked.
pub(crate) static FORK_GATE: ForkGate = ForkGate::new();

/// What an unwinder at work needs, beside a stack.
pub(super) struct Scratch {
    /// What is captured. Here, so that it need not be cleared for every sample.
    pub(super) stack: StackBuffer,
    pub(super) trail: Trail,
    pub(super) rules: RuleCache,
    pub(super) context: Context,
}

impl Scratch {
    /// # Safety
    /// `place` is zeroed memory for one.
    unsafe fn init(place: *mut Self) {
        // SAFETY: the caller's promise. A trail and a cache of zeros
        // are empty ones.
        unsafe {
            (&raw mut (*place).stack).write(StackBuffer::new());
            (&raw mut (*place).context).write(Context::new_in());
        }
    }
}

/// What was loaded at one time.
pub(super) struct ModuleSet {
    generation: u32,
    loaded: Vec<Loaded>,
    closed: Vec<Arc<Module>>,
    /// Executable address ranges in order, and whose they are.
    code: Vec<(Range<u64>, u32)>,
    /// Of the first images, those that stay for ever: a bit each.
    for_ever: u64,
}

impl ModuleSet {
    fn new(generation: u32, loaded: Vec<Loaded>, closed: Vec<Arc<Module>>) -> Self {
        let mut code = Vec::new();
        let mut for_ever = 0;
        for (index, image) in (0..).zip(&loaded) {
            let segments = image.module.segments.iter();
            code.extend(segments.map(|segment| (segment.start..segment.limit, index)));
            for_ever |= bit_of(index)
                .filter(|_| image.stay == Stay::ForEver)
                .unwrap_or(0);
        }
        code.sort_by_key(|(range, _)| range.start);
        Self {
            generation,
            loaded,
            closed,
            code,
            for_ever,
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

    /// The image that has code at this address, by its index.
    fn image_around(&self, address: u64) -> Option<(u32, &Loaded)> {
        let after = self
            .code
            .partition_point(|(range, _)| range.start <= address);
        let (range, index) = self.code.get(after.checked_sub(1)?)?;
        let image = self.loaded.get(*index as usize)?;
        (address < range.end).then_some((*index, image))
    }
}

/// The first images have a bit each.
fn bit_of(image: u32) -> Option<u64> {
    1_u64.checked_shl(image)
}

/// The current modules, for one walk: each that the walk meets is checked once to
/// be still the one that was listed.
pub(super) struct Known<'a> {
    set: &'a ModuleSet,
    confirmed: u64,
}

impl<'a> Known<'a> {
    fn new(set: &'a ModuleSet) -> Self {
        Self {
            set,
            confirmed: set.for_ever,
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.set.generation
    }

    /// Is this an image that will not go away?
    pub(super) fn stays_for_ever(&self, image: u32) -> bool {
        bit_of(image).is_some_and(|bit| self.set.for_ever & bit != 0)
    }

    /// The image that has code at this address, by its index, and its unwind
    /// tables. The address must be that of code that is running.
    pub(super) fn image_at(&mut self, address: u64) -> Option<(u32, Option<&'a UnwindTable>)> {
        let (index, image) = self.set.image_around(address)?;
        self.confirm(index, address)
            .then_some((index, image.unwind.as_deref()))
    }

    /// Is this image still there? `address` must be that of running code in it.
    #[inline(always)]
    pub(super) fn confirm(&mut self, image: u32, address: u64) -> bool {
        bit_of(image).is_some_and(|bit| self.confirmed & bit != 0) || self.ask(image, address)
    }

    #[cold]
    #[inline(never)]
    fn ask(&mut self, image: u32, address: u64) -> bool {
        let Some(loaded) = self.set.loaded.get(image as usize) else {
            return false;
        };
        let is_there = match &loaded.stay {
            Stay::ForEver => true,
            Stay::Until(identity) => identity.is_at(address),
            // Where the loader could be asked, it did not know this one.
            Stay::UntilUnknown => !identity::can_be_told(),
        };
        if is_there {
            self.confirmed |= bit_of(image).unwrap_or(0);
        }
        is_there
    }
}

/// Calls `f`, on a stack of the profiler's own, with the current modules and what
/// else an unwinder needs; unless there are no modules yet or all of that is in use.
pub(super) fn with_current<R>(
    process_generation: u64,
    f: impl FnOnce(&mut Known<'_>, &mut Scratch) -> R,
) -> Option<R> {
    // Threads are told apart by where their stacks are.
    let begin_at = (core::ptr::from_ref(&f).addr() >> 16).wrapping_mul(7);
    // SAFETY: `init` does what it is to do.
    let make = || unsafe { OwnStack::new(Scratch::init) };
    MODULES.read(begin_at, process_generation, make, |set, stack| {
        stack.call(|scratch| f(&mut Known::new(set), scratch))
    })
}

/// Asks the loader what is loaded, publishes it for captures, and returns every module that a recorded address can belong to. Takes the
/// loader's lock and allocates; the caller is busy.
pub(crate) fn refresh(process_generation: u64) -> Vec<Arc<Module>> {
    let mut change = loop {
        match MODULES.try_change(process_generation) {
            Some(change) => break change,
            None => std::thread::yield_now(),
        }
    };
    let newer = FORK_GATE.while_nobody_forks(|| ModuleSet::newer_than(change.current()));
    if let Some(newer) = newer {
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
        assert_eq!(before.image_around(start).map(|(index, _)| index), Some(0));
        assert!(before.image_around(0).is_none() && before.image_around(u64::MAX).is_none());
    }
}
