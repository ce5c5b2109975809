#![forbid(unsafe_code)]
//! The bridge between the two worlds: the recorder's counters, copied out into
//! owned values that everything above may take its time with.

pub(crate) mod stats;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::counts::Counts;
use crate::error::Error;
use crate::labels;
use crate::module::Module;
use crate::record::capture::modules;
#[cfg(feature = "http")]
use crate::record::label_table;
use crate::record::recorder::RECORDER;
pub use crate::record::stack::{ReturnAddress, StackEnd};
use crate::record::stack_table::{Node, NodeSums};
use crate::record::thread;
pub use stats::Stats;

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

    /// Whether one of them is the thread's.
    #[cfg(feature = "http")]
    pub(crate) fn has_thread_name(&self) -> bool {
        self.labels[1] != label_table::NONE
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
        let mut records = Vec::new();
        let stats = of_one_peak(|| {
            records.clear();
            for_each_record_of(&is_wanted, |record| records.push(*record))
        })?;
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

/// The statistics of a snapshot without its records.
#[cfg(feature = "http")]
pub(crate) fn statistics() -> Result<Stats, Error> {
    let _busy = thread::busy();
    of_one_peak(|| for_each_record(|_| {}))
}

/// Reads again if the peak moved on meanwhile: records of two peaks would make a
/// third. Of a peak that moves on all the time, the last attempt serves.
fn of_one_peak(mut read: impl FnMut() -> Result<Stats, Error>) -> Result<Stats, Error> {
    const ATTEMPTS: u32 = 3;
    for _ in 1..ATTEMPTS {
        let mark = RECORDER.high_water().mark();
        let stats = read()?;
        if RECORDER.high_water().mark() == mark {
            return Ok(stats);
        }
    }
    read()
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
