//! Heapprof, through its public interface.

use std::sync::Mutex;

use heapprof::{Counts, Snapshot};

use crate::profiler::{Figure, Figures, Profiler};

/// The program must have [`heapprof::Alloc`] as its global allocator.
#[derive(Debug, Default)]
pub struct Heapprof {
    begun: Mutex<Option<Snapshot>>,
}

impl Heapprof {
    /// The state at `begin`, and now.
    fn snapshots(&self) -> (Snapshot, Snapshot) {
        let begun = self.begun.lock().expect("no run panicked").take();
        (begun.expect("the run has begun"), take())
    }
}

impl Profiler for Heapprof {
    fn name(&self) -> &'static str {
        "heapprof"
    }

    fn set_interval(&self, bytes: u64) -> bool {
        heapprof::set_sample_interval(bytes).is_ok()
    }

    fn begin(&self) {
        *self.begun.lock().expect("no run panicked") = Some(take());
    }

    fn figures(&self) -> Figures {
        let (begun, now) = self.snapshots();
        // Everything of earlier runs was freed, so that all that is in use is this
        // run's.
        assert_eq!(begun.stats().in_use, Counts::default());
        Figures {
            allocated: figure(&now.since(&begun).stats().allocated),
            in_use: figure(&now.stats().in_use),
        }
    }

    fn growth(&self) -> Option<Figures> {
        let (begun, now) = self.snapshots();
        let change = now.since(&begun);
        Some(Figures {
            allocated: figure(&change.stats().allocated),
            in_use: figure(&change.stats().in_use),
        })
    }

    fn counted_size(&self, size: usize) -> usize {
        size
    }
}

fn take() -> Snapshot {
    Snapshot::take().expect("heapprof is the allocator")
}

fn figure(counts: &Counts) -> Figure {
    Figure {
        objects: counts.objects() as f64,
        bytes: counts.bytes as f64,
        intervals: Some([
            counts.confidence_interval_objects(),
            counts.confidence_interval_bytes(),
        ]),
    }
}
