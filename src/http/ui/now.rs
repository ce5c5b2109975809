#![forbid(unsafe_code)]
//! The program's memory and the profiler's own figures, as they are now.

use std::time::Duration;

use super::units::{bytes, count, duration, error_bytes, number, unsigned_bytes};
use crate::error::Error;
use crate::snapshot::{Stats, statistics};

/// What is known at a moment.
#[derive(Debug, Default)]
pub(super) struct Now {
    /// Nothing if this program's global allocator is another.
    stats: Option<Stats>,
    pub(super) resident_bytes: Option<u64>,
    peak_resident_bytes: Option<u64>,
    uptime: Option<Duration>,
}

/// A figure as a page shows it, and shows it anew.
#[derive(Debug)]
pub(super) struct Shown {
    /// Where on the page it belongs.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) value: String,
    /// More about it, in small.
    pub(super) note: String,
}

impl Now {
    pub(super) fn look() -> Self {
        Self {
            // Without, the allocator is not registered.
            stats: statistics().ok(),
            ..process()
        }
    }

    /// Of the heap.
    #[cfg(unix)]
    pub(super) fn stats(&self) -> Option<&Stats> {
        self.stats.as_ref()
    }

    pub(super) fn in_use_bytes(&self) -> Option<i64> {
        Some(self.stats.as_ref()?.in_use.bytes)
    }

    /// Why there are no figures of the heap.
    pub(super) fn problem(&self) -> Option<String> {
        match self.stats {
            Some(_) => None,
            None => Some(Error::NotRegistered.to_string()),
        }
    }

    /// The program's memory.
    pub(super) fn memory(&self) -> Vec<Shown> {
        let mut of_heap = self.stats.iter().flat_map(|stats| {
            [
                Shown {
                    id: "in-use",
                    name: "In use",
                    value: bytes(stats.in_use.bytes),
                    note: error_bytes(&stats.in_use),
                },
                Shown {
                    id: "peak",
                    name: "Peak in use",
                    value: bytes(stats.in_use_at_peak.bytes),
                    note: match stats.peak_at.map(|at| at.elapsed()) {
                        Some(Ok(ago)) => format!("{} ago", duration(ago)),
                        _ => String::new(),
                    },
                },
                Shown {
                    id: "objects",
                    name: "Objects in use",
                    value: number(stats.in_use.objects()),
                    note: String::new(),
                },
                Shown {
                    id: "allocated",
                    name: "Allocated in all",
                    value: bytes(stats.allocated.bytes),
                    note: error_bytes(&stats.allocated),
                },
            ]
        });
        let resident = self.resident_bytes.map(|resident| Shown {
            id: "resident",
            name: "Resident",
            value: unsigned_bytes(resident),
            // The kernel counts the two at different moments.
            note: match self.peak_resident_bytes {
                Some(peak) => format!("at most {} so far", unsigned_bytes(peak.max(resident))),
                None => String::new(),
            },
        });
        let uptime = self.uptime.map(|uptime| Shown {
            id: "uptime",
            name: "Uptime",
            value: duration(uptime),
            note: String::new(),
        });
        // What is in use and what is resident side by side.
        let in_use = of_heap.next();
        let heap_and_process = in_use.into_iter().chain(resident).chain(of_heap);
        heap_and_process.chain(uptime).collect()
    }

    /// The profiler's own figures.
    pub(super) fn profiler(&self) -> Vec<Shown> {
        let Some(stats) = &self.stats else {
            return Vec::new();
        };
        let counted = |id, name, value| Shown {
            id,
            name,
            value: count(value),
            note: String::new(),
        };
        vec![
            Shown {
                id: "interval",
                name: "Sample interval",
                value: match stats.sample_interval {
                    0 => "off".into(),
                    interval => unsigned_bytes(interval),
                },
                note: match stats.sample_interval {
                    0 => "no allocation is sampled".into(),
                    1 => "every allocation is sampled".into(),
                    _ => "one sample in so many bytes".into(),
                },
            },
            counted("samples", "Samples taken", stats.samples),
            Shown {
                note: match stats.lost_bytes {
                    0 => String::new(),
                    lost => format!("about {}", unsigned_bytes(lost)),
                },
                ..counted("lost", "Samples lost", stats.lost_samples)
            },
            counted("live", "Samples in use", stats.live_samples),
            counted("records", "Stacks and sizes", stats.records),
            Shown {
                note: "where the next frame was uncertain".into(),
                ..counted("cut", "Stacks cut", stats.cut_stacks)
            },
            Shown {
                note: "more than 128 frames".into(),
                ..counted("deep", "Stacks too deep", stats.too_deep_stacks)
            },
            counted("missing", "Stacks unknown", stats.missing_stacks),
            Shown {
                id: "own",
                name: "Profiler's memory",
                value: unsigned_bytes(stats.own_bytes),
                note: format!("of {}", unsigned_bytes(stats.own_bytes_limit)),
            },
        ]
    }
}

/// Without the heap.
#[cfg(unix)]
fn process() -> Now {
    use crate::memory::process::{StatmFile, peak_resident_bytes};
    use crate::memory::uptime::uptime;

    let statm = StatmFile::open().and_then(|file| file.read());
    Now {
        stats: None,
        resident_bytes: statm.ok().map(|statm| statm.resident_bytes),
        peak_resident_bytes: peak_resident_bytes(),
        uptime: uptime(),
    }
}

/// Without the heap.
#[cfg(not(unix))]
fn process() -> Now {
    Now::default()
}
