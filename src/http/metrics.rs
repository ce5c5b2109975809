#![forbid(unsafe_code)]
//! `/debug/pprof/metrics`: the figures of the moment, for Prometheus to keep.

use std::borrow::Cow;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::answer::{self, Answer};
use super::named::cannot_collect;
#[cfg(unix)]
use crate::overview::Memory;
use crate::record::thread;
use crate::snapshot::{Stats, statistics};

/// OpenMetrics 1.0, which Prometheus and all that read its text understand.
pub(super) fn answer() -> Answer {
    let _busy = thread::busy();
    let stats = match statistics() {
        Ok(stats) => stats,
        Err(error) => return cannot_collect(&error),
    };
    let mut registry = Registry::with_prefix("heapprof");
    add_stats(&mut registry, &stats);
    #[cfg(unix)]
    add_memory(&mut registry, &Memory::now(&stats));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => answer::metrics(text),
        Err(error) => cannot_collect(&error),
    }
}

fn add_stats(registry: &mut Registry, stats: &Stats) {
    let in_use = stats.in_use;
    let at_least_0 = |number: i64| number.max(0).unsigned_abs();
    let mut bytes = |name: &str, help: &str, bytes: u64| gauge(registry, name, help, bytes, true);
    bytes("in_use", "Estimated live heap", at_least_0(in_use.bytes));
    let error = in_use.standard_error_bytes().round() as u64;
    bytes(
        "in_use_standard_error",
        "Standard error of the estimated live heap",
        error,
    );
    bytes(
        "in_use_at_peak",
        "Estimated live heap when most was in use",
        at_least_0(stats.in_use_at_peak.bytes),
    );
    bytes(
        "sample_interval",
        "Mean distance of samples, 0 is off",
        stats.sample_interval,
    );
    bytes("own_memory", "The profiler's own tables", stats.own_bytes);
    bytes(
        "own_memory_limit",
        "The most that its tables may take",
        stats.own_bytes_limit,
    );
    let mut number = |name: &str, help: &str, number: u64| {
        gauge(registry, name, help, number, false);
    };
    number(
        "in_use_objects",
        "Estimated live objects",
        at_least_0(in_use.objects()),
    );
    number(
        "live_samples",
        "Sampled blocks that are live",
        stats.live_samples,
    );
    number("records", "Distinct stacks and size classes", stats.records);

    let allocated = stats.allocated;
    registry.register_with_unit(
        "allocated",
        "Estimated allocations since the start",
        Unit::Bytes,
        ConstCounter::new(at_least_0(allocated.bytes)),
    );
    let mut counter = |name: &str, help: &str, number: u64| {
        registry.register(name, help, ConstCounter::new(number));
    };
    counter(
        "allocated_objects",
        "Estimated objects allocated since the start",
        at_least_0(allocated.objects()),
    );
    counter("samples", "Samples taken", stats.samples);
    counter(
        "lost_samples",
        "Samples that found no room",
        stats.lost_samples,
    );
    counter(
        "cut_stacks",
        "Samples whose stack is not whole",
        stats.cut_stacks,
    );
    counter(
        "missing_stacks",
        "Samples without a stack",
        stats.missing_stacks,
    );
}

#[cfg(unix)]
fn add_memory(registry: &mut Registry, memory: &Memory) {
    let mut bytes = |name: &str, help: &str, bytes: u64| gauge(registry, name, help, bytes, true);
    if let Some(process) = &memory.process {
        bytes(
            "process_resident",
            "Pages in memory",
            process.resident_bytes,
        );
        bytes(
            "process_proportional",
            "Pages in memory, shared ones divided among the sharers",
            process.proportional_bytes,
        );
        bytes(
            "process_anonymous",
            "Heap and stacks in memory",
            process.anonymous_bytes,
        );
        bytes(
            "process_file",
            "Files and shared memory in memory",
            process.file_bytes,
        );
        bytes("process_swap", "Pages swapped out", process.swap_bytes);
    }
    if let Some(cgroup) = &memory.cgroup {
        bytes(
            "cgroup_usage",
            "All that is charged to the control group",
            cgroup.usage_bytes,
        );
        if let Some(cache) = cgroup.page_cache_bytes {
            bytes(
                "cgroup_page_cache",
                "Of it, files that can be let go",
                cache,
            );
        }
        if let Some(limit) = cgroup.limit_bytes {
            bytes("cgroup_limit", "The control group's limit", limit);
        }
    }
    if let Some(limit) = &memory.nearest_limit {
        let labelled = labelled(registry, "limit", limit.name);
        let help = "The limit of which most is taken";
        gauge(labelled, "nearest_limit", help, limit.limit_bytes, true);
        let help = "What counts against the limit of which most is taken";
        gauge(labelled, "nearest_limit_taken", help, limit.bytes, true);
    }
    if let Some(allocator) = &memory.allocator {
        let labelled = labelled(registry, "allocator", allocator.name);
        for (name, help, bytes) in [
            ("allocated", "Given out", allocator.allocated_bytes),
            (
                "active",
                "Pages that hold what is given out",
                allocator.active_bytes,
            ),
            ("metadata", "The allocator's own", allocator.metadata_bytes),
            (
                "resident",
                "At most so much is in memory",
                allocator.resident_bytes,
            ),
            ("mapped", "Mapped", allocator.mapped_bytes),
            (
                "retained",
                "Address space that is kept, not memory",
                allocator.retained_bytes,
            ),
        ] {
            if let Some(bytes) = bytes {
                gauge(labelled, &format!("allocator_{name}"), help, bytes, true);
            }
        }
    }
}

fn labelled<'a>(
    registry: &'a mut Registry,
    key: &'static str,
    value: &'static str,
) -> &'a mut Registry {
    registry.sub_registry_with_label((Cow::Borrowed(key), Cow::Borrowed(value)))
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64, in_bytes: bool) {
    let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    if in_bytes {
        registry.register_with_unit(name, help, Unit::Bytes, value);
    } else {
        registry.register(name, help, value);
    }
}
