#![forbid(unsafe_code)]
//! The resident memory, divided.

use super::{AllocatorMemory, Memory};

/// A part of the resident memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub bytes: u64,
    /// By which figures.
    pub formula: &'static str,
}

impl Memory {
    /// The resident memory, part by part, from the live objects outwards:
    ///
    /// | Part | Formula |
    /// |---|---|
    /// | live objects | `in_use`, at most `allocated` |
    /// | size classes, and what is not seen | `allocated` - `in_use` |
    /// | fragmentation | `active` - `allocated` |
    /// | the allocator's own | `metadata` |
    /// | retained pages | the allocator's `resident` - `active` - `metadata` |
    /// | the profiler | `own_bytes` |
    /// | stacks and other mappings | `anonymous` - all of these |
    /// | files | `file_bytes` |
    ///
    /// Parts whose figures are not known are left out, and the next one that is known has
    /// theirs: mimalloc tells what it has committed, so that size classes and free memory
    /// are one part. With jemalloc and glibc "what is not seen" is what C code allocates from
    /// them, and the error of the estimate.
    ///
    /// A part is never less than nothing. That some figures are upper limits (pages that
    /// an allocator or the profiler mapped and nobody touched, pages that are swapped out) can make
    /// the sum more than what is resident; "stacks and other mappings" is then 0.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Parts::default();
        parts.add_allocator(
            self.in_use.bytes.max(0).unsigned_abs(),
            &self.allocator.clone().unwrap_or_default(),
        );
        parts.add("the profiler", self.own_bytes, "own");
        if let Some(process) = &self.process {
            let known: u64 = parts.0.iter().map(|part| part.bytes).sum();
            let rest = process.anonymous_bytes.saturating_sub(known);
            parts.add(
                "stacks and other mappings",
                rest,
                "anonymous - all of these",
            );
            parts.add("files", process.file_bytes, "file-backed");
        }
        parts.0
    }
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn add(&mut self, name: &'static str, bytes: u64, formula: &'static str) {
        self.0.push(Part {
            name,
            bytes,
            formula,
        });
    }

    /// Each part is what a figure has more than the one inside it.
    fn add_allocator(&mut self, in_use: u64, allocator: &AllocatorMemory) {
        let mut inside = allocator
            .allocated_bytes
            .or(allocator.active_bytes)
            .map_or(in_use, |most| in_use.min(most));
        self.add("live objects", inside, "in use, at most allocated");
        if let Some(allocated) = allocator.allocated_bytes {
            let name = "size classes, and what is not seen";
            self.add(name, allocated - inside, "allocated - in use");
            inside = allocated;
        }
        if let Some(active) = allocator.active_bytes {
            let more = active.saturating_sub(inside);
            match allocator.allocated_bytes {
                Some(_) => self.add("fragmentation", more, "active - allocated"),
                None => self.add("size classes and free memory", more, "active - in use"),
            }
            inside = inside.max(active);
        }
        if let Some(metadata) = allocator.metadata_bytes {
            self.add("the allocator's own", metadata, "metadata");
            inside += metadata;
        }
        if let Some(resident) = allocator.resident_bytes {
            let more = resident.saturating_sub(inside);
            let formula = "allocator's resident - active - metadata";
            self.add("retained pages", more, formula);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Counts;
    use crate::overview::ProcessMemory;

    fn memory(allocator: Option<AllocatorMemory>) -> Memory {
        Memory {
            in_use: Counts::estimated(1, 1_000),
            allocator,
            process: Some(ProcessMemory {
                resident_bytes: 5_000,
                proportional_bytes: 4_500,
                anonymous_bytes: 3_000,
                file_bytes: 2_000,
                swap_bytes: 0,
            }),
            cgroup: None,
            nearest_limit: None,
            own_bytes: 100,
        }
    }

    fn bytes(memory: &Memory) -> Vec<(&'static str, u64)> {
        let parts = memory.parts().into_iter();
        parts.map(|part| (part.name, part.bytes)).collect()
    }

    #[test]
    fn jemalloc_tells_everything_and_the_parts_add_up() {
        let jemalloc = AllocatorMemory {
            name: "jemalloc",
            allocated_bytes: Some(1_200),
            active_bytes: Some(1_500),
            metadata_bytes: Some(50),
            resident_bytes: Some(2_000),
            mapped_bytes: Some(2_500),
            retained_bytes: Some(9_000),
        };
        let memory = memory(Some(jemalloc));
        let expected = [
            ("live objects", 1_000),
            ("size classes, and what is not seen", 200),
            ("fragmentation", 300),
            ("the allocator's own", 50),
            ("retained pages", 450),
            ("the profiler", 100),
            ("stacks and other mappings", 900),
            ("files", 2_000),
        ];
        assert_eq!(bytes(&memory), expected);
        let sum: u64 = memory.parts().iter().map(|part| part.bytes).sum();
        assert_eq!(sum, 5_000);
    }

    #[test]
    fn what_is_not_told_is_in_the_next_part() {
        let mimalloc = AllocatorMemory {
            name: "mimalloc",
            active_bytes: Some(1_900),
            ..AllocatorMemory::default()
        };
        let expected = [
            ("live objects", 1_000),
            ("size classes and free memory", 900),
            ("the profiler", 100),
            ("stacks and other mappings", 1_000),
            ("files", 2_000),
        ];
        assert_eq!(bytes(&memory(Some(mimalloc))), expected);
        assert_eq!(
            bytes(&memory(None))[2],
            ("stacks and other mappings", 1_900)
        );
    }

    #[test]
    fn upper_limits_leave_nothing_and_never_less() {
        let glibc = AllocatorMemory {
            name: "glibc",
            allocated_bytes: Some(900),
            active_bytes: Some(1 << 30),
            ..AllocatorMemory::default()
        };
        let parts = bytes(&memory(Some(glibc)));
        assert_eq!(parts[0], ("live objects", 900));
        assert_eq!(parts[1], ("size classes, and what is not seen", 0));
        assert_eq!(parts[4], ("stacks and other mappings", 0));
    }
}
