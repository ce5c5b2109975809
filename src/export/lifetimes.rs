#![forbid(unsafe_code)]
//! Profiles of what was allocated by how long it lived.

use super::heap::{self, Memory};
use super::pprof;
use super::profile::{Hide, Label, LabelValue, Profile, Sample, Stack, Values};
use super::{PprofOptions, View};
use crate::counts::whole_objects;
use crate::lifetimes::Lifetimes;
use crate::record::lifetimes::{CLASSES, Freed};
use crate::snapshot::Snapshot;

/// What stands for each class, in milliseconds: inside it, and not where it ends, so
/// that a range of `go tool pprof` that ends there has no class by half, nor twice.
const LABELS: [i64; CLASSES] = [3, 30, 300, 3_000, 30_000, 180_000, 1_800_000, 10_800_000];

/// All allocations, what was freed labelled with how long it had lived. The lifetimes
/// were collected before the snapshot was taken.
pub(crate) fn allocs_by_lifetime(
    snapshot: &Snapshot,
    lifetimes: &Lifetimes,
    options: PprofOptions,
) -> Vec<u8> {
    let options = options.view(View::Allocs);
    let profile = profile(snapshot, lifetimes, options);
    let header = heap::header(snapshot, &profile.problems, options);
    pprof::to_bytes(&header, &profile)
}

/// Made as the plain profile is, and divided then: so each sample's parts are the
/// plain sample, to the object.
fn profile(snapshot: &Snapshot, lifetimes: &Lifetimes, options: PprofOptions) -> Profile<[i64; 4]> {
    let records = heap::ordered(snapshot).into_iter();
    let stacks = records.map(|record| {
        let freed = lifetimes.of(record.id);
        with_lifetimes(heap::stack(record, options.view), freed)
    });
    let lost = heap::lost(&snapshot.stats).into_iter();
    let lost = lost.map(|lost| with_lifetimes(lost, Default::default()));
    let stacks = stacks.chain(lost).collect();
    let whole = Profile::new(stacks, &snapshot.modules, options.symbols, Hide::Allocator);
    Profile {
        samples: whole.samples.into_iter().flat_map(divided).collect(),
        locations: whole.locations,
        functions: whole.functions,
        mappings: whole.mappings,
        problems: whole.problems,
    }
}

/// What a stack allocated, and what of it was freed after how long.
#[derive(Clone, Copy, Debug)]
struct Lived {
    memory: Memory,
    freed: [Freed; CLASSES],
}

impl Values for Lived {
    fn plus(&self, other: &Self) -> Self {
        Self {
            memory: self.memory.plus(&other.memory),
            freed: std::array::from_fn(|class| Freed {
                objects: self.freed[class].objects + other.freed[class].objects,
                bytes: self.freed[class].bytes + other.freed[class].bytes,
            }),
        }
    }

    fn is_nothing(&self) -> bool {
        self.memory.is_nothing()
    }

    fn numbers(&self) -> Vec<i64> {
        self.memory.numbers().to_vec()
    }
}

fn with_lifetimes<'a>(stack: Stack<'a, Memory>, freed: [Freed; CLASSES]) -> Stack<'a, Lived> {
    Stack {
        frames: stack.frames,
        module_generation: stack.module_generation,
        note: stack.note,
        labels: stack.labels,
        values: Lived {
            memory: stack.values,
            freed,
        },
    }
}

/// What was freed, by class, and before it the rest: what is in use, and what was
/// freed while the profile was taken.
fn divided(sample: Sample<Lived>) -> Vec<Sample<[i64; 4]>> {
    let part = |label: Option<Label>, values| Sample {
        locations: sample.locations.clone(),
        labels: sample.labels.iter().cloned().chain(label).collect(),
        values,
    };
    let mut rest = sample.values.memory.numbers();
    let mut parts = Vec::new();
    let mut objects_so_far = 0;
    for (milliseconds, freed) in LABELS.into_iter().zip(sample.values.freed) {
        // Rounded together: what one part is rounded up by, another is rounded down.
        let before = whole_objects(objects_so_far);
        objects_so_far += freed.objects.cast_signed();
        let objects = whole_objects(objects_so_far) - before;
        let bytes = freed.bytes.cast_signed();
        rest[0] -= objects;
        rest[1] -= bytes;
        parts.push(part(Some(label(milliseconds)), [objects, bytes, 0, 0]));
    }
    let parts = std::iter::once(part(None, rest)).chain(parts);
    parts.filter(|part| !part.values.is_nothing()).collect()
}

fn label(milliseconds: i64) -> Label {
    Label {
        key: "lifetime".into(),
        value: LabelValue::Number(milliseconds, "milliseconds"),
    }
}

#[cfg(test)]
mod tests;
