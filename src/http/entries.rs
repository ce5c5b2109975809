#![forbid(unsafe_code)]
//! What there is to ask for, with a line about each.

use super::named::Named;
use super::{Pprof, leaks};
use crate::snapshot::statistics;
use crate::stages::stages;
use crate::tasks;

/// A profile, or what else Go's index lists.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Of its records.
    pub(super) count: u64,
    pub(super) description: &'static str,
}

/// By name.
pub(super) fn entries(pprof: &Pprof) -> Vec<Entry> {
    let others = [
        ("cmdline", 0),
        ("leaks", leaks::count()),
        ("metrics", 0),
        ("profile", 0),
        ("stages", stages().iter().len() as u64),
        ("symbol", 0),
    ];
    let records = statistics().map_or(0, |stats| stats.records);
    let threads = tasks::list().map_or(0, |tasks| tasks.len() as u64);
    let count = |named| match named {
        Named::Block | Named::Mutex => 0,
        Named::Goroutine | Named::Threadcreate => threads,
        Named::Heap(_) => records,
    };
    let mut entries: Vec<Entry> = others
        .into_iter()
        .filter(|&(name, _)| match name {
            "cmdline" => pprof.shows_command_line,
            "metrics" => cfg!(feature = "metrics"),
            _ => true,
        })
        .chain(Named::ALL.map(|named| (named.name(), count(named))))
        .map(|(name, count)| Entry {
            name,
            count,
            description: description(name),
        })
        .collect();
    entries.sort_by_key(|entry| entry.name);
    entries
}

fn description(name: &str) -> &'static str {
    match name {
        "allocs" => "Everything allocated since the program began, freed or not, by call stack.",
        "block" => "Waiting for locks and channels. This program records none.",
        "cmdline" => "The arguments that the program was started with.",
        "goroutine" if cfg!(feature = "threads") => {
            "The operating system's threads of the program, and where each one is."
        }
        "goroutine" => {
            "The operating system's threads of the program. Where each one is needs heapprof's \
             feature threads, which this program was built without."
        }
        "heap" => "What is in use now, by the call stack that allocated it.",
        "leaks" => {
            "What has been in use for ten minutes, or as long as the parameter older says, and how \
             much of that grew."
        }
        "metrics" => "Figures of the program's memory, for Prometheus.",
        "mutex" => "Holding locks that others wait for. This program records none.",
        "peak" => "What was in use when most was, by the call stack that allocated it.",
        "profile" if cfg!(feature = "cpu") => {
            "Where processor time goes, measured for 30 seconds or as many as the parameter \
             seconds says. Open it with go tool pprof."
        }
        "profile" => {
            "Where processor time goes. Needs heapprof's feature cpu, which this program was \
             built without."
        }
        "stages" => "Moments that the program has marked, and what changed from one to the next.",
        "symbol" => "The functions that addresses lie in. Tools ask it; there is nothing to read.",
        "threadcreate" => "How many threads of the operating system there are.",
        _ => "",
    }
}
