//! The recorder: ties sampler, capture and tables together. One static of it.

mod labels;
mod setup;
mod tallies;

use super::account::{self, Accounts};
use super::arena::Arena;
use super::below::Below;
use super::capture::{self, Registers, Unwinder};
use super::clock;
use super::high_water::HighWater;
use super::label_table::LabelTable;
use super::live_table::{LiveSample, LiveTable};
use super::preparation::Preparation;
use super::sampler::{OBJECT_FRACTION, Weight};
use super::settings::Settings;
use super::size_class::class_limit;
use super::stack::StackEnd;
use super::stack_table::{Node, NodeKey, StackTable};
use super::sync::{AtomicU32, AtomicU64, Ordering, OwnLine};
use super::tally::Sums;
use super::thread::{self, Thread};
pub(crate) use setup::BuiltIn;
pub(crate) use tallies::Tallies;

pub(crate) static RECORDER: Recorder = Recorder::new();

/// See the module's description. Made of zeros at first, and hence of no size in the
/// program's file.
#[derive(Debug)]
pub(crate) struct Recorder {
    settings: OwnLine<Settings>,
    preparation: Preparation,
    unwinder: AtomicU32,
    below: AtomicU32,
    arena: Arena,
    live: LiveTable,
    stacks: StackTable,
    accounts: Accounts,
    labels: LabelTable,
    labels_threads: AtomicU32,
    high_water: OwnLine<HighWater>,
    tallies: Tallies,
    /// How many forks lead from the first process here.
    forks: AtomicU64,
    threads_seen: AtomicU64,
}

/// A sample that is about to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    size: usize,
    weight: Weight,
    account: u32,
    labels: u32,
}

impl Recorder {
    const fn new() -> Self {
        Self {
            settings: OwnLine(Settings::new()),
            preparation: Preparation::new(),
            unwinder: AtomicU32::new(Unwinder::Cfi as u32),
            below: AtomicU32::new(Below::Other as u32),
            arena: Arena::new(0),
            live: LiveTable::new(),
            stacks: StackTable::new(),
            accounts: Accounts::new(),
            labels: LabelTable::new(),
            labels_threads: AtomicU32::new(0),
            high_water: OwnLine(HighWater::new()),
            tallies: Tallies::new(),
            forks: AtomicU64::new(0),
            threads_seen: AtomicU64::new(0),
        }
    }

    /// Can `ptr` be a sampled block? False is certain.
    #[inline(always)]
    pub(crate) fn may_be_sampled(&self, ptr: *mut u8) -> bool {
        self.live.may_contain(ptr.addr())
    }

    /// The calling thread's counter ran out at an allocation of `size` bytes.
    /// Is it to be sampled?
    pub(crate) fn judge(&self, built_in: &BuiltIn, size: usize) -> Option<Sample> {
        Thread::with(|thread| {
            if !self.is_prepared() {
                self.prepare(built_in);
            }
            let interval = thread.judge(size, &self.settings.0, || self.seed());
            if thread.is_busy() {
                return None;
            }
            let interval = interval?;
            Some(Sample {
                size,
                weight: Weight::of(size as u64, interval),
                account: thread.account(),
                labels: thread.labels(),
            })
        })
    }

    /// Records that a sampled allocation got the block `ptr`, with the stack above
    /// `registers`. Nothing, if it was not sampled or got none.
    #[inline]
    pub(crate) fn record(&self, ptr: *mut u8, sample: Option<Sample>, registers: &Registers) {
        if let Some(sample) = sample
            && !ptr.is_null()
        {
            self.record_sample(ptr, &sample, registers);
        }
    }

    fn record_sample(&self, ptr: *mut u8, sample: &Sample, registers: &Registers) {
        let _busy = thread::busy();
        let Some(node) = self.capture(sample, registers) else {
            return self.lose(sample.weight, sample.account);
        };
        self.retire_stale(ptr);
        let entry = LiveSample {
            node,
            size: sample.size,
            objects: sample.weight.objects,
            bytes: sample.weight.bytes,
            born: clock::now(),
        };
        if !self
            .live
            .insert(ptr.addr(), &entry, &self.arena, self.process_generation())
        {
            return self.lose(sample.weight, sample.account);
        }
        self.count(&entry);
        if sample.account != account::NONE {
            self.accounts.charge(sample.account, sample.size as u64);
        }
        let stacks = match node.key.stack_end {
            StackEnd::Root => return,
            StackEnd::TooDeep => &self.tallies.too_deep_stacks,
            StackEnd::Cut => &self.tallies.cut_stacks,
            StackEnd::NotCaptured => &self.tallies.missing_stacks,
        };
        stacks.fetch_add(1, Ordering::Relaxed);
    }

    /// The node of a sample that falls now. `None` if there is no place to keep it.
    fn capture(&self, sample: &Sample, registers: &Registers) -> Option<&'static Node> {
        let unwinder = Unwinder::from_u32(self.unwinder.load(Ordering::Relaxed));
        let object_size = class_limit(sample.size as u64);
        let thread_label = self.thread_label();
        capture::with_stack(unwinder, registers, self.process_generation(), |stack| {
            let key = NodeKey::new(stack, object_size)
                .charged_to(sample.account)
                .labelled(sample.labels, thread_label);
            self.stacks.node(&key, &self.arena)
        })
    }

    /// The address was handed out again although no free was seen: something
    /// freed the block behind our back. It is gone.
    fn retire_stale(&self, ptr: *mut u8) {
        if self.may_be_sampled(ptr)
            && let Some(stale) = self.live.remove(ptr.addr())
        {
            self.retire(&stale);
        }
    }

    /// Counts a sampled block that something else freed.
    #[cold]
    fn retire(&self, stale: &LiveSample) {
        self.credit(stale);
        self.tallies.foreign_frees.fetch_add(1, Ordering::Relaxed);
    }

    /// A sample that could not be kept.
    fn lose(&self, weight: Weight, account: u32) {
        self.tallies.lost_samples.fetch_add(1, Ordering::Relaxed);
        self.tallies
            .lost_objects
            .fetch_add(weight.objects, Ordering::Relaxed);
        self.tallies
            .lost_bytes
            .fetch_add(weight.bytes, Ordering::Relaxed);
        self.accounts.lose(account);
    }

    /// Takes `ptr`, a block of `size` bytes, out of the live table before it is
    /// freed: afterwards another thread may own the address.
    ///
    /// An entry of another size tells of an earlier block, freed behind our back:
    /// this one is unsampled. One of the same size cannot be told apart.
    pub(crate) fn take_out(&self, ptr: *mut u8, size: usize) -> Option<LiveSample> {
        let entry = self.live.remove(ptr.addr())?;
        if entry.size == size {
            return Some(entry);
        }
        self.retire(&entry);
        None
    }

    /// Puts back what `take_out` returned: the block was not freed after all.
    pub(crate) fn put_back(&self, ptr: *mut u8, entry: &LiveSample) {
        if !self
            .live
            .insert(ptr.addr(), entry, &self.arena, self.process_generation())
        {
            // The place was taken meanwhile by another thread's sample.
            self.credit(entry);
            let weight = Weight {
                objects: entry.objects,
                bytes: entry.bytes,
            };
            self.lose(weight, entry.node.key.account);
        }
    }

    /// Counts a sampled block.
    fn count(&self, entry: &LiveSample) {
        if let Some(mark) = self.high_water.0.rise(entry.bytes, entry.born) {
            entry.node.keep_peak(mark, &self.arena);
        }
        entry.node.add_alloc(&sums_of(entry));
    }

    /// Counts the free of a sampled block.
    pub(crate) fn credit(&self, entry: &LiveSample) {
        let (node, sums) = (entry.node, sums_of(entry));
        let mark = self.high_water.0.fall(entry.bytes);
        node.keep_peak(mark, &self.arena);
        node.add_free(&sums);
        let lifetime = clock::now().saturating_sub(entry.born);
        if !node.add_lifetime(lifetime, &sums, &self.arena) {
            let unknown = &self.tallies.unknown_lifetimes;
            unknown.fetch_add(1, Ordering::Relaxed);
        }
        // Most samples stand for more than themselves; their node's key need not be
        // fetched.
        if entry.objects == OBJECT_FRACTION && node.key.account != account::NONE {
            self.accounts.credit(node.key.account, entry.size as u64);
        }
    }

    /// From 1. A forked child has another, and hence owns everything that its
    /// parent's threads had leased.
    pub(crate) fn process_generation(&self) -> u64 {
        // Relaxed: changes only in a child that has one thread.
        self.forks.load(Ordering::Relaxed).wrapping_add(1)
    }

    /// In a forked child: the parent's other threads do not exist here, and
    /// what they had leased is free.
    #[cfg(cfi)]
    pub(crate) fn enter_child(&self) {
        self.forks.fetch_add(1, Ordering::Relaxed);
    }

    /// Every stack and size class.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &'static Node> {
        self.stacks.nodes()
    }

    /// Opens an account inside the calling thread's. `None` if there is no memory left.
    pub(crate) fn open_account(&self) -> Option<u32> {
        let outer = Thread::with(Thread::account);
        self.accounts.open(outer, &self.arena)
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(crate) fn high_water(&self) -> &HighWater {
        &self.high_water.0
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    pub(crate) fn live_sample_count(&self) -> u64 {
        self.live.len()
    }

    /// Every sampled block that is live all the time while this looks.
    pub(crate) fn live_samples(&self) -> impl Iterator<Item = LiveSample> {
        self.live.samples()
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }
}

pub(crate) fn sums_of(entry: &LiveSample) -> Sums {
    Sums::of_sample(entry.size, entry.objects, entry.bytes)
}
