//! The bridge between the two worlds: the recorder's counters, copied out into
//! owned values that everything above may take its time with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::counts::{Counts, OBJECT_FRACTION};
use crate::error::Error;
use crate::labels;
use crate::module::Module;
use crate::record::capture::modules;
use crate::record::clock;
use crate::record::recorder::RECORDER;
pub use crate::record::stack::{ReturnAddress, StackEnd};
use crate::record::stack_table::{Node, NodeSums};
use crate::record::thread;

/// One stack and size class with what was allocated and is in use there.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Tells records of one process apart; the same in every snapshot.
    pub(crate) id: usize,
    /// Innermost call first. Stacks are never deleted, hence `'static`.
    pub(crate) stack: &'static [ReturnAddress],
    pub(crate) stack_end: StackEnd,
    /// Upper bound of the size class, in bytes.
    pub(crate) object_size: u64,
    /// The generation of the module list that the addresses belong to.
    pub(crate) module_generation: u32,
    /// By number: those of the allocation, and the thread's name.
    pub(crate) labels: [u32; 2],
    pub(crate) allocated: Counts,
    pub(crate) in_use: Counts,
    pub(crate) in_use_at_peak: Counts,
}

impl Record {
    /// The calls that led to the allocations, innermost first. Frames of the
    /// allocator itself may come before the program's own.
    pub fn stack(&self) -> &'static [ReturnAddress] {
        self.stack
    }

    /// How far [`stack`](Self::stack) reaches.
    pub fn stack_end(&self) -> StackEnd {
        self.stack_end
    }

    /// Upper bound of the record's size class, in bytes: no object is larger.
    pub fn object_size(&self) -> u64 {
        self.object_size
    }

    /// The labels that were in force at the allocations, in the order of their keys,
    /// and the `thread` that they were on if that is recorded: see
    /// [`Labels`](crate::Labels) and [`label_threads`](crate::label_threads).
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        self.labels.into_iter().flat_map(labels::pairs)
    }

    /// Allocations since the program's start, or between two snapshots.
    pub fn allocated(&self) -> Counts {
        self.allocated
    }

    /// What was in use when the snapshot was taken, or by how much that changed
    /// between two snapshots.
    pub fn in_use(&self) -> Counts {
        self.in_use
    }

    /// What was in use when the program had most in use altogether, since its start
    /// or the last [`reset_peak`](crate::reset_peak); or by how much that differs
    /// between two snapshots.
    pub fn in_use_at_peak(&self) -> Counts {
        self.in_use_at_peak
    }
}

/// What the profiler knows of itself. Counts are since the program's start.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Mean number of bytes between samples now. 0 is off, 1 is every allocation.
    pub sample_interval: u64,
    /// Samples taken.
    pub samples: u64,
    /// Samples not taken because a table or the memory limit was full.
    pub lost_samples: u64,
    /// Estimated objects and bytes behind the lost samples.
    pub lost_objects: u64,
    /// Estimated bytes behind the lost samples.
    pub lost_bytes: u64,
    /// Sampled blocks that are live now.
    pub live_samples: u64,
    /// Distinct records (stack and size class).
    pub records: u64,
    /// The sum over all records, lost samples not included: everything that was
    /// allocated, and how far the estimate may be off.
    pub allocated: Counts,
    /// The same of what is in use.
    pub in_use: Counts,
    /// The same of what was in use when that was most.
    pub in_use_at_peak: Counts,
    /// When that was reached, to about 10 ms. `None` before the first sample.
    pub peak_at: Option<SystemTime>,
    /// Samples whose stack was deeper than 128 frames.
    pub too_deep_stacks: u64,
    /// Samples whose stack was cut where the next frame was uncertain.
    pub cut_stacks: u64,
    /// Samples taken without a stack.
    pub missing_stacks: u64,
    /// Sets of labels that are told apart.
    pub label_sets: u64,
    /// How often there was no room for another one: `[other]` in its place.
    pub refused_labels: u64,
    /// Sampled blocks whose address came back although no free was seen:
    /// something frees Rust's memory behind the allocator's back.
    pub foreign_frees: u64,
    /// Records whose counters moved during every attempt to read them.
    pub torn_reads: u64,
    /// Bytes that the profiler's tables take from the operating system.
    pub own_bytes: u64,
    /// Upper limit of `own_bytes`; what does not fit is counted as lost.
    pub own_bytes_limit: u64,
    /// Bytes that hold functions and lines found for earlier profiles, so that
    /// later ones need not look again: at most 8 MiB.
    pub resolved_frames_bytes: u64,
    /// `HEAPPROF_SAMPLE_INTERVAL` was set to something that is no interval.
    pub invalid_environment: bool,
    /// The environment could not be read (there is no `/proc`, or a sandbox
    /// denies it): `HEAPPROF_SAMPLE_INTERVAL`, if it was set, did not count.
    pub unreadable_environment: bool,
}

/// Kept by the exporter, which is a floor above.
pub(crate) static RESOLVED_FRAMES_BYTES: AtomicU64 = AtomicU64::new(0);

/// A copy of the recorder's state at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) records: Vec<Record>,
    /// Every module that a record's address can belong to, closed ones too.
    pub(crate) modules: Vec<Arc<Module>>,
    pub(crate) stats: Stats,
    pub(crate) taken_at: SystemTime,
    /// Set in the difference of two snapshots: the time between them.
    pub(crate) duration: Option<Duration>,
}

impl Snapshot {
    /// Copies the recorder's counters: a few microseconds for a thousand stacks.
    /// Allocations go on meanwhile; each record is consistent in itself.
    ///
    /// # Errors
    /// [`Error::NotRegistered`] if this program's global allocator is another.
    pub fn take() -> Result<Self, Error> {
        Self::take_of(|_| true)
    }

    /// Of what was allocated for an account alone. The totals of its statistics are
    /// those of its records, the rest is the whole program's.
    pub(crate) fn take_of_account(account: u32) -> Result<Self, Error> {
        let accounts = RECORDER.accounts();
        Self::take_of(|node| accounts.is_within(node.key.account, account))
    }

    fn take_of(is_wanted: impl Fn(&Node) -> bool) -> Result<Self, Error> {
        let _busy = thread::busy();
        ensure_registered()?;
        let modules = modules::refresh(RECORDER.process_generation());
        // Records of two peaks would make a third. Of a peak that moves on all the time,
        // the last attempt serves.
        const ATTEMPTS: u32 = 3;
        let mut records = Vec::new();
        let mut stats = Stats::default();
        for _ in 0..ATTEMPTS {
            let mark = RECORDER.high_water().mark();
            records.clear();
            stats = for_each_record_of(&is_wanted, |record| records.push(*record))?;
            if RECORDER.high_water().mark() == mark {
                break;
            }
        }
        records.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        Ok(Self {
            records,
            modules,
            stats,
            taken_at: SystemTime::now(),
            duration: None,
        })
    }
}

/// What is loaded now, and was, as far as recorded addresses may belong to it.
#[cfg(any(feature = "http", unix))]
pub(crate) fn modules() -> Vec<Arc<Module>> {
    let _busy = thread::busy();
    modules::refresh(RECORDER.process_generation())
}

/// Calls `f` with every record as it is now, in no particular order, and returns
/// the statistics. Allocates nothing; the caller is busy.
pub(crate) fn for_each_record(f: impl FnMut(&Record)) -> Result<Stats, Error> {
    for_each_record_of(|_| true, f)
}

/// The same of some records, whose totals the statistics then have.
fn for_each_record_of(
    is_wanted: impl Fn(&Node) -> bool,
    mut f: impl FnMut(&Record),
) -> Result<Stats, Error> {
    ensure_registered()?;
    let (mut records, mut torn_reads) = (0, 0);
    let mark = RECORDER.high_water().mark();
    let [mut allocated, mut in_use, mut at_peak] = [Counts::default(); 3];
    for node in RECORDER.nodes().filter(|node| is_wanted(node)) {
        let sums = node.read(mark);
        // A stack whose every sample was undone, or is under way.
        if sums.allocs.samples == 0 {
            continue;
        }
        let record = Record::of(node, &sums);
        f(&record);
        allocated = allocated.plus(&record.allocated);
        in_use = in_use.plus(&record.in_use);
        at_peak = at_peak.plus(&record.in_use_at_peak);
        records += 1;
        torn_reads += u64::from(sums.torn);
    }
    Ok(Stats {
        samples: allocated.samples.unsigned_abs(),
        records,
        torn_reads,
        allocated,
        in_use,
        in_use_at_peak: at_peak,
        ..Stats::now()
    })
}

/// Estimated bytes in use, all records together. Allocates nothing; takes as long
/// as it takes to look at every record.
#[cfg(target_os = "linux")]
pub(crate) fn in_use_bytes() -> u64 {
    let in_use = RECORDER.nodes().map(|node| node.in_use().bytes);
    in_use.fold(0, u64::saturating_add)
}

/// Errs unless the wrapper has seen an allocation, which every program makes
/// long before it can ask.
pub(crate) fn ensure_registered() -> Result<(), Error> {
    if RECORDER.is_prepared() {
        Ok(())
    } else {
        Err(Error::NotRegistered)
    }
}

impl Record {
    fn of(node: &'static Node, sums: &NodeSums) -> Self {
        let allocated = Counts::of(&sums.allocs);
        Self {
            id: std::ptr::from_ref(node).addr(),
            stack: node.key.stack,
            stack_end: node.key.stack_end,
            object_size: node.key.object_size,
            module_generation: node.key.module_generation,
            labels: [node.key.label_set, node.key.thread_label.into()],
            allocated,
            in_use: allocated.without(&Counts::of(&sums.frees)),
            in_use_at_peak: Counts::of(&sums.at_peak),
        }
    }

    /// Records come in this order, whatever the tables' is.
    pub(crate) fn order(&self) -> impl Ord {
        (
            self.stack,
            self.object_size,
            self.module_generation,
            self.stack_end,
            self.labels,
        )
    }
}

impl Stats {
    fn now() -> Self {
        let tallies = RECORDER.tallies();
        let count = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
        Self {
            sample_interval: RECORDER.interval(),
            samples: 0,
            lost_samples: count(&tallies.lost_samples),
            lost_objects: count(&tallies.lost_objects) / OBJECT_FRACTION.unsigned_abs(),
            lost_bytes: count(&tallies.lost_bytes),
            live_samples: RECORDER.live_sample_count(),
            too_deep_stacks: count(&tallies.too_deep_stacks),
            cut_stacks: count(&tallies.cut_stacks),
            missing_stacks: count(&tallies.missing_stacks),
            label_sets: RECORDER.labels().len().into(),
            refused_labels: count(&tallies.refused_labels),
            foreign_frees: count(&tallies.foreign_frees),
            own_bytes: RECORDER.arena().used_bytes(),
            own_bytes_limit: RECORDER.arena().limit_bytes(),
            resolved_frames_bytes: RESOLVED_FRAMES_BYTES.load(Ordering::Relaxed),
            invalid_environment: count(&tallies.invalid_environment) != 0,
            unreadable_environment: count(&tallies.unreadable_environment) != 0,
            records: 0,
            allocated: Counts::default(),
            in_use: Counts::default(),
            in_use_at_peak: Counts::default(),
            peak_at: peak_at(),
            torn_reads: 0,
        }
    }

    /// With what is summed over the records.
    pub(crate) fn with_totals(self, records: &[Record]) -> Self {
        let sum = |counts: fn(&Record) -> &Counts| {
            records
                .iter()
                .fold(Counts::default(), |sum, record| sum.plus(counts(record)))
        };
        Self {
            allocated: sum(|record| &record.allocated),
            in_use: sum(|record| &record.in_use),
            in_use_at_peak: sum(|record| &record.in_use_at_peak),
            ..self
        }
    }
}

/// By the clock on the wall.
fn peak_at() -> Option<SystemTime> {
    let reached_at = RECORDER.high_water().reached_at();
    let ago = Duration::from_nanos(clock::now().saturating_sub(reached_at));
    (reached_at != 0)
        .then(|| SystemTime::now().checked_sub(ago))
        .flatten()
}
