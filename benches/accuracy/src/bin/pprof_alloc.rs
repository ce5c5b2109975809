//! The same mixes under `pprof-alloc`. Its interval is settled by the environment
//! when the program starts, and its estimates depend on all that was ever
//! allocated.
//!
//!     RUSTFLAGS=-Cforce-frame-pointers=yes cargo run --release -p accuracy \
//!         --features pprof-alloc --bin accuracy-pprof-alloc

use std::error::Error;
use std::io::Read;
use std::ops::Range;

use accuracy::block::Block;
use accuracy::processes;
use accuracy::profiler::{Figure, Figures, Profiler};
use pprof_alloc::{PPROF_SAMPLE_RATE_ENV, PprofAlloc};
use prost::Message;

#[global_allocator]
static ALLOC: PprofAlloc = PprofAlloc::new().with_pprof_sample_rate_from_env(0);

const RUNS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    processes::main(
        RUNS,
        |mix| Profiled {
            interval: mix.interval,
        },
        |mix| (PPROF_SAMPLE_RATE_ENV, mix.interval.to_string()),
    )
}

/// The profiler itself, in a process that it watches from the start.
struct Profiled {
    interval: u64,
}

impl Profiler for Profiled {
    fn name(&self) -> &'static str {
        "pprof-alloc"
    }

    fn set_interval(&self, bytes: u64) -> bool {
        bytes == 0 || bytes == self.interval
    }

    fn begin(&self) {}

    /// Of all stacks that lead through the run's blocks: what the process needs
    /// for itself is sampled too.
    fn figures(&self) -> Figures {
        let gzip = pprof_alloc::generate_pprof().expect("a profile is made");
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*gzip)
            .read_to_end(&mut bytes)
            .expect("the profile is gzip");
        let profile = proto::Profile::decode(&*bytes).expect("the profile is protobuf");
        let is_ours = |id: &u64| {
            let found = profile.location.iter().find(|location| location.id == *id);
            found.is_some_and(|location| is_of_a_block(location.address))
        };
        let mut sums = [0.0; 4];
        for sample in &profile.sample {
            if sample.location_id.iter().any(is_ours) {
                for (sum, value) in sums.iter_mut().zip(&sample.value) {
                    *sum += *value as f64;
                }
            }
        }
        let [alloc_objects, alloc_bytes, in_use_objects, in_use_bytes] = sums;
        Figures {
            allocated: Figure::plain(alloc_objects, alloc_bytes),
            in_use: Figure::plain(in_use_objects, in_use_bytes),
        }
    }

    fn growth(&self) -> Option<Figures> {
        None
    }

    fn counted_size(&self, size: usize) -> usize {
        size
    }
}

/// Is the address in one of the functions that allocate for a run? They are short.
fn is_of_a_block(address: u64) -> bool {
    const LENGTH: u64 = 160;
    let within = |start: u64| -> Range<u64> { start..start + LENGTH };
    let new = Block::new as fn(usize) -> Block;
    let resize = Block::resize as fn(&mut Block, usize);
    within(new as usize as u64).contains(&address)
        || within(resize as usize as u64).contains(&address)
}

/// As much of the format as is needed.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Profile {
        #[prost(message, repeated, tag = "2")]
        pub(super) sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) location: Vec<Location>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(super) location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(super) value: Vec<i64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Location {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(uint64, tag = "3")]
        pub(super) address: u64,
    }
}
