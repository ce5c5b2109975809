//! The same mixes under `pprof-alloc`. Its interval is settled by the environment
//! when the program starts, and its estimates depend on all that was ever
//! allocated.
//!
//!     RUSTFLAGS=-Cforce-frame-pointers=yes cargo run --release -p accuracy \
//!         --features pprof-alloc --bin accuracy-pprof-alloc

use std::error::Error;
use std::fs;
use std::io::Read;

use accuracy::block::Block;
use accuracy::processes;
use accuracy::profiler::{Figure, Figures, Profiler};
use pprof_alloc::{PPROF_SAMPLE_RATE_ENV, PprofAlloc};
use prost::Message;

#[global_allocator]
static ALLOC: PprofAlloc = PprofAlloc::new().with_pprof_sample_rate_from_env(0);

const RUNS: u64 = 300;

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
        let ours = [
            file_offset(Block::new as fn(usize) -> Block as usize),
            file_offset(Block::resize as fn(&mut Block, usize) as usize),
        ];
        let is_ours = |id: &u64| {
            let location = profile.location.iter().find(|l| l.id == *id);
            // The functions are short.
            let within = |start: &u64| *start..start + 160;
            location.is_some_and(|l| ours.iter().any(|start| within(start).contains(&l.address)))
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

/// Where in the program's file a function is: addresses are written like that.
fn file_offset(address: usize) -> u64 {
    let maps = fs::read_to_string("/proc/self/maps").expect("the kernel lists mappings");
    let hex = |digits: &str| u64::from_str_radix(digits, 16).expect("a hexadecimal number");
    let address = address as u64;
    let mut offsets = maps.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = fields[0].split_once('-')?;
        (hex(start)..hex(end))
            .contains(&address)
            .then(|| address - hex(start) + hex(fields[2]))
    });
    offsets.next().expect("functions are mapped")
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
