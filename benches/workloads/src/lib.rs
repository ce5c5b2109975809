//! What the benchmarks make an allocator do, and a small loop that times it.
//!
//! A crate of its own, not generic over the allocator: it is compiled once, so
//! every program that links it runs the same machine code, whichever global
//! allocator is behind it. Inlining that differs from program to program would
//! drown what is measured.

mod application;
mod blocks;
mod layout;
mod live_heap;
mod server;
mod usage;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use layout::Layouts;

/// Something to do over and over.
#[derive(Clone, Copy, Debug)]
struct Workload {
    name: &'static str,
    kind: Kind,
    /// What one operation is.
    operation: &'static str,
    /// Does at least this many operations and returns how many it did.
    run: fn(u64) -> u64,
}

/// What a workload is like.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Allocates and does next to nothing else.
    Blocks,
    /// Allocates more than a program could ever write to, and writes nothing. Good
    /// for seeing what an allocator itself does, and for nothing else.
    Bare,
    /// Allocates as programs do, while it works.
    Application,
}

/// Every workload but the server, in the order of the tables.
const ALL: &[Workload] = &[
    Workload {
        name: "pair_64",
        kind: Kind::Blocks,
        operation: "allocate and free 64 B",
        run: blocks::pair::<64>,
    },
    Workload {
        name: "pair_1024",
        kind: Kind::Blocks,
        operation: "allocate and free 1 KiB",
        run: blocks::pair::<1024>,
    },
    Workload {
        name: "deep_pair_64",
        kind: Kind::Blocks,
        operation: "allocate and free 64 B, 30 calls deep",
        run: blocks::deep_pair::<64>,
    },
    Workload {
        name: "deep_pair_1024",
        kind: Kind::Blocks,
        operation: "allocate and free 1 KiB, 30 calls deep",
        run: blocks::deep_pair::<1024>,
    },
    Workload {
        name: "realloc_growth",
        kind: Kind::Bare,
        operation: "double a block, 64 B to 64 KiB",
        run: blocks::realloc_growth,
    },
    Workload {
        name: "cross_thread",
        kind: Kind::Blocks,
        operation: "allocate 64 B, free it on another thread",
        run: blocks::cross_thread,
    },
    Workload {
        name: "replacement",
        kind: Kind::Blocks,
        operation: "replace one of 4,096 blocks of 16 B to 1 KiB",
        run: blocks::replacement::<1>,
    },
    Workload {
        name: "replacement_2",
        kind: Kind::Blocks,
        operation: "the same by two threads, which hand their blocks over",
        run: blocks::replacement::<2>,
    },
    Workload {
        name: "vec_growth",
        kind: Kind::Application,
        operation: "push 8 B, up to 64 KiB",
        run: application::vec_growth,
    },
    Workload {
        name: "btree_map",
        kind: Kind::Application,
        operation: "insert into a BTreeMap of 4,096 and remove from it",
        run: application::btree_map,
    },
    Workload {
        name: "strings",
        kind: Kind::Application,
        operation: "format, sort, join, split and count a string",
        run: application::strings,
    },
    Workload {
        name: "json",
        kind: Kind::Application,
        operation: "parse and print a document of 20 KiB",
        run: application::json,
    },
];

/// What serves until its standard input ends; timed from outside.
const SERVER: (&str, &str) = ("server", "answer a request of 1 KiB of JSON");

/// Batches that one program times.
const BATCHES: usize = 9;

/// Long enough for the clock and for a scheduler's tick to be lost in it.
const BATCH_TIME: Duration = Duration::from_millis(10);

/// The `main` of a contender: runs the workload that the first argument names.
///
/// It prints `ns` and the nanoseconds per operation of each batch, a line each,
/// and in the end `peak_kib` and the most memory that was resident. A second
/// argument, a number, chooses the layouts of the heap that the batches meet. Without
/// an argument it prints the workloads: name, kind, what one operation is, with tabs
/// between. With `live_heap MIB` it prints what so large a heap takes.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for workload in ALL {
            let Workload { name, kind, .. } = workload;
            println!("{name}\t{kind:?}\t{}", workload.operation);
        }
        println!("{}\t{:?}\t{}", SERVER.0, Kind::Application, SERVER.1);
        return ExitCode::SUCCESS;
    };
    if name == SERVER.0 {
        server::serve();
    } else if name == "live_heap" {
        return live_heap::main(arguments);
    } else if let Some(workload) = ALL.iter().find(|workload| workload.name == name) {
        let seed = arguments.next().and_then(|seed| seed.parse().ok());
        for nanoseconds in workload.time(Layouts::new(seed.unwrap_or(0))) {
            println!("ns {nanoseconds:.4}");
        }
    } else {
        eprintln!("no workload is called {name}; without an argument I name them all");
        return ExitCode::from(2);
    }
    println!("peak_kib {}", usage::peak_kib());
    ExitCode::SUCCESS
}

impl Workload {
    /// Nanoseconds per operation of each of [`BATCHES`] batches, after enough
    /// operations for caches, tables and pools to be warm. Each batch meets a heap
    /// of another layout.
    fn time(&self, mut layouts: Layouts) -> [f64; BATCHES] {
        let mut operations = 64;
        while self.batch(operations).0 < BATCH_TIME {
            operations *= 2;
        }
        std::array::from_fn(|_| {
            layouts.next();
            let (elapsed, done) = self.batch(operations);
            elapsed.as_secs_f64() * 1e9 / done as f64
        })
    }

    fn batch(&self, operations: u64) -> (Duration, u64) {
        let start = Instant::now();
        let done = (self.run)(black_box(operations));
        (start.elapsed(), done)
    }
}

/// Numbers without a pattern, the same in every program (Marsaglia's xorshift).
#[derive(Debug)]
struct Random(u64);

impl Random {
    const fn new() -> Self {
        Self::seeded(0)
    }

    const fn seeded(seed: u32) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ seed as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
