#![forbid(unsafe_code)]
//! A snapshot as a profile of the heap, with the conventions of Go's own.

use std::io::Write;
use std::iter;

use super::comments::comments;
use super::pprof::{self, Header, ValueType};
use super::profile::{Hide, Label, LabelValue, Profile, Stack, Values};
use super::{PprofOptions, Symbols, View};
use crate::counts::Counts;
use crate::error::Error;
use crate::record::thread;
use crate::snapshot::{Record, Snapshot, Stats};

/// What `pprof` is to leave out, with everything called from it, when it looks
/// up names itself. Nothing here ever calls the program back: `pprof` cuts at
/// the outermost match, so that a wider pattern would cut away user code.
pub(super) const DROP_FRAMES: &str = "(__rustc::)?__(rust|rg|rdl)_(alloc|alloc_zeroed|realloc)\
    |alloc::alloc::(alloc|alloc_zeroed|realloc|exchange_malloc)";

/// What the numbers of a sample are.
pub(super) const SAMPLE_TYPES: &[ValueType] = &[
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];

/// What there is a sample of every interval.
pub(super) const PERIOD_TYPE: ValueType = ("space", "bytes");

/// Said where samples were lost.
pub(super) const LOST: &str = "[lost]";

/// What was allocated and what is in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) allocated: Counts,
    pub(crate) in_use: Counts,
}

impl Values for Memory {
    fn plus(&self, other: &Self) -> Self {
        Self {
            allocated: self.allocated.plus(&other.allocated),
            in_use: self.in_use.plus(&other.in_use),
        }
    }

    fn is_nothing(&self) -> bool {
        self.allocated == Counts::default() && self.in_use == Counts::default()
    }

    fn numbers(&self) -> Vec<i64> {
        Memory::numbers(self).to_vec()
    }
}

impl Memory {
    /// In the order of [`SAMPLE_TYPES`].
    pub(super) fn numbers(&self) -> [i64; 4] {
        [
            self.allocated.objects(),
            self.allocated.bytes,
            self.in_use.objects(),
            self.in_use.bytes,
        ]
    }
}

impl Snapshot {
    /// Writes a profile for `go tool pprof`: gzipped protobuf, with objects and
    /// bytes allocated and in use.
    ///
    /// The same snapshot and options always give the same bytes, as long as the
    /// program's files stay in place. What limits the profile (samples lost,
    /// stacks cut, modules without names) is said in its comments
    /// (`pprof -comments`).
    ///
    /// Costs what [`Symbols`] says, and memory in proportion to the number of
    /// records.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if `writer` fails.
    pub fn write_pprof(
        &self,
        writer: &mut (impl Write + ?Sized),
        options: PprofOptions,
    ) -> Result<(), Error> {
        let _busy = thread::busy();
        let profile = Profile::of_heap(self, options.view, options.symbols);
        pprof::write(&header(self, &profile.problems, options), &profile, writer)
            .map_err(Error::Write)
    }

    /// The same in memory.
    pub(crate) fn to_pprof(&self, options: PprofOptions) -> Vec<u8> {
        let _busy = thread::busy();
        let profile = Profile::of_heap(self, options.view, options.symbols);
        pprof::to_bytes(&header(self, &profile.problems, options), &profile)
    }
}

impl Profile<Memory> {
    /// Of a snapshot, without the allocator's frames.
    pub(crate) fn of_heap(snapshot: &Snapshot, view: View, symbols: Symbols) -> Self {
        let records = ordered(snapshot).into_iter();
        let stacks = records.map(|record| stack(record, view));
        let stacks = stacks.chain(lost(&snapshot.stats)).collect();
        Self::new(stacks, &snapshot.modules, symbols, Hide::Allocator)
    }
}

/// Records in the order of a profile.
pub(super) fn ordered(snapshot: &Snapshot) -> Vec<&Record> {
    let mut records: Vec<&Record> = snapshot.records.iter().collect();
    records.sort_by_key(|r| {
        (
            r.stack,
            r.stack_end,
            r.object_size,
            r.module_generation,
            r.labels,
            r.id,
        )
    });
    records
}

pub(super) fn stack(record: &Record, view: View) -> Stack<'static, Memory> {
    let object_size = i64::try_from(record.object_size).unwrap_or(i64::MAX);
    let bytes = Label {
        key: "bytes".into(),
        value: LabelValue::Number(object_size, ""),
    };
    let others = record.labels().map(|(key, value)| Label {
        key: key.into(),
        value: LabelValue::Text(value.into()),
    });
    let labels = iter::once(bytes).chain(others);
    Stack {
        frames: record.stack,
        module_generation: record.module_generation,
        note: record.stack_end.note(),
        labels: labels.collect(),
        values: Memory {
            allocated: record.allocated,
            in_use: match view {
                View::InUse | View::Allocs => record.in_use,
                View::Peak => record.in_use_at_peak,
            },
        },
    }
}

/// Samples that could not be kept are allocations all the same. Whether they
/// were freed is not known.
pub(super) fn lost(stats: &Stats) -> Option<Stack<'static, Memory>> {
    let allocated = Counts::estimated(
        i64::try_from(stats.lost_objects).unwrap_or(i64::MAX),
        i64::try_from(stats.lost_bytes).unwrap_or(i64::MAX),
    );
    (stats.lost_samples != 0).then(|| Stack {
        frames: &[],
        module_generation: 0,
        note: Some(LOST),
        labels: Vec::new(),
        values: Memory {
            allocated,
            in_use: Counts::default(),
        },
    })
}

pub(super) fn header(snapshot: &Snapshot, problems: &[String], options: PprofOptions) -> Header {
    Header {
        sample_types: SAMPLE_TYPES,
        // Without one, pprof takes the last.
        default_sample_type: match options.view {
            View::InUse | View::Peak => None,
            View::Allocs => Some("alloc_space"),
        },
        period_type: PERIOD_TYPE,
        period: i64::try_from(snapshot.stats.sample_interval).unwrap_or(i64::MAX),
        taken_at: snapshot.taken_at,
        duration: snapshot.duration,
        drop_frames: match options.symbols {
            Symbols::Full | Symbols::Names => None,
            Symbols::None => Some(DROP_FRAMES),
        },
        comments: comments(
            &snapshot.stats,
            options.view,
            (snapshot.taken_at, snapshot.duration),
            problems,
        ),
    }
}
