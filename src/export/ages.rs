#![forbid(unsafe_code)]
//! Profiles of what is in use by how long it has been: the heap with ages, and what
//! has lived so long that it may be a leak.

use std::time::Duration;

use super::heap::{self, Memory};
use super::pprof;
use super::profile::{Hide, Label, LabelValue, Profile, Stack, Values};
use super::{PprofOptions, Symbols, View};
use crate::ages::{Ages, class_of};
use crate::counts::Counts;
use crate::snapshot::Snapshot;

/// The heap, what is in use labelled with its age. The caller is busy.
pub(crate) fn heap_by_age(snapshot: &Snapshot, options: PprofOptions) -> Vec<u8> {
    let ages = Ages::collect(|age| Some(class_of(age)));
    let mut stacks = Vec::new();
    for record in heap::ordered(snapshot) {
        let stack = heap::stack(record, View::InUse);
        let with = |values| Stack {
            frames: stack.frames,
            labels: stack.labels.clone(),
            values,
            ..stack
        };
        stacks.push(with(Memory {
            allocated: record.allocated,
            in_use: Counts::default(),
        }));
        stacks.extend(ages.of(record.id).map(|(age, in_use)| {
            let mut stack = with(Memory {
                allocated: Counts::default(),
                in_use,
            });
            stack.labels.push(label(age));
            stack
        }));
    }
    stacks.extend(heap::lost(&snapshot.stats));
    let profile = Profile::new(stacks, &snapshot.modules, options.symbols, Hide::Allocator);
    let header = heap::header(snapshot, &profile.problems, options);
    pprof::to_bytes(&header, &profile)
}

/// What has lived long, and how much of it came to be that old lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Survivors {
    pub(super) all: Counts,
    pub(super) recent: Counts,
}

impl Values for Survivors {
    fn plus(&self, other: &Self) -> Self {
        Self {
            all: self.all.plus(&other.all),
            recent: self.recent.plus(&other.recent),
        }
    }

    fn is_nothing(&self) -> bool {
        self.all == Counts::default()
    }

    fn numbers(&self) -> Vec<i64> {
        let Self { all, recent } = self;
        vec![all.objects(), all.bytes, recent.objects(), recent.bytes]
    }
}

/// What has been in use for `older` or longer. The caller is busy.
pub(crate) fn leaks(snapshot: &Snapshot, older: Duration, options: PprofOptions) -> Vec<u8> {
    let profile = survivors(snapshot, older, options.symbols);
    let mut header = heap::header(snapshot, &profile.problems, options);
    header.sample_types = &[
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
        ("growth_objects", "count"),
        ("growth_space", "bytes"),
    ];
    let seconds = older.as_secs_f64();
    header.comments.push(format!(
        "heapprof: only what has been in use for {seconds} s or longer; growth is what of it \
         came to be that old in the last {seconds} s"
    ));
    pprof::to_bytes(&header, &profile)
}

/// The profile of them.
pub(super) fn survivors(
    snapshot: &Snapshot,
    older: Duration,
    symbols: Symbols,
) -> Profile<Survivors> {
    // Two classes: old since less than `older`, and since longer.
    let twice = older.saturating_mul(2);
    let class = |age| match age {
        age if age < older => None,
        age if age < twice => Some(older),
        _ => Some(twice),
    };
    let ages = Ages::collect(class);
    let stacks = heap::ordered(snapshot)
        .into_iter()
        .map(|record| {
            let stack = heap::stack(record, View::InUse);
            let mut survivors = Survivors::default();
            for (class, counts) in ages.of(record.id) {
                survivors.all = survivors.all.plus(&counts);
                if class == older {
                    survivors.recent = survivors.recent.plus(&counts);
                }
            }
            Stack {
                frames: stack.frames,
                labels: stack.labels,
                values: survivors,
                module_generation: stack.module_generation,
                note: stack.note,
            }
        })
        .collect();
    Profile::new(stacks, &snapshot.modules, symbols, Hide::Allocator)
}

fn label(age: Duration) -> Label {
    let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    Label {
        key: "age".into(),
        value: LabelValue::Number(seconds, "seconds"),
    }
}
