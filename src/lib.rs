#![doc = include_str!("../README.md")]
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("heapprof counts in 64-bit atomics, which this target does not have");

// The model checker (`--cfg loom`) sees the ground floor alone: its atomics
// cannot live in statics, and the rest of the house stands on one.
#[cfg(not(loom))]
mod ages;
#[cfg(not(loom))]
mod alloc;
#[cfg(all(any(feature = "http", cfi), not(loom)))]
mod amounts;
#[cfg(not(loom))]
mod atomic_file;
#[cfg(not(loom))]
mod control;
#[cfg(not(loom))]
mod counts;
#[cfg(not(loom))]
mod difference;
#[cfg(not(loom))]
mod dump;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod estimate;
#[cfg(not(loom))]
mod export;
#[cfg(all(feature = "http", not(loom)))]
pub mod http;
#[cfg(all(interrupts, not(loom)))]
mod interrupt;
#[cfg(not(loom))]
mod labels;
#[cfg(not(loom))]
mod lifetimes;
#[cfg(all(unix, not(loom)))]
mod memory;
#[cfg(not(loom))]
mod module;
#[cfg(all(unix, not(loom)))]
mod overview;
mod record;
#[cfg(not(loom))]
mod snapshot;
#[cfg(not(loom))]
mod stages;
#[cfg(all(feature = "http", not(loom)))]
mod tasks;
#[cfg(not(loom))]
pub mod testing;
#[cfg(all(unix, not(loom)))]
mod triggers;

#[cfg(not(loom))]
pub use {
    alloc::Alloc,
    control::{reset_peak, sample_interval, set_sample_interval},
    counts::Counts,
    dump::{
        dump_ages, dump_ages_to, dump_allocs, dump_allocs_to, dump_heap, dump_heap_to, dump_leaks,
        dump_leaks_to, dump_lifetimes, dump_lifetimes_to, dump_peak, dump_peak_to,
    },
    error::Error,
    export::{PprofOptions, Site, Symbols, View},
    labels::{EnteredLabels, Labelled, Labels, label_threads, with_labels},
    record::capture::Unwinder,
    snapshot::{Record, ReturnAddress, Snapshot, StackEnd, Stats},
    stages::{Stage, Stages, stage, stages},
};

#[cfg(all(feature = "symbolize", cfi, not(loom)))]
pub use export::symbolize_pprof;
#[cfg(all(feature = "tracing", not(loom)))]
pub use labels::LabelLayer;
#[cfg(all(unix, not(loom)))]
pub use overview::{
    AllocatorMemory, CgroupMemory, LimitTaken, Memory, Part, ProcessMemory, memory,
};
#[cfg(all(unix, not(loom)))]
pub use triggers::{Threshold, TriggerStatus, Triggers, TriggersBuilder, triggers};

#[cfg(all(cfi, fuzzing))]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod fuzzing;
