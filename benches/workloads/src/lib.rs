//! What the benchmarks make an allocator do, and a small loop that times it.
//!
//! A crate of its own, not generic over the allocator: it is compiled once, so
//! every program that links it runs the same machine code, whichever global
//! allocator is behind it. Inlining that differs from program to program would
//! drown what is measured.

mod live_heap;

use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Something to do over and over.
#[derive(Clone, Copy, Debug)]
struct Workload {
    name: &'static str,
    /// What one operation is.
    operation: &'static str,
    /// Does at least this many operations and returns how many it did.
    run: fn(u64) -> u64,
}

/// Every workload, in the order of the tables.
const ALL: &[Workload] = &[
    Workload {
        name: "pair_64",
        operation: "allocate and free 64 B",
        run: pair::<64>,
    },
    Workload {
        name: "pair_1024",
        operation: "allocate and free 1 KiB",
        run: pair::<1024>,
    },
    Workload {
        name: "realloc_growth",
        operation: "double a block, 64 B to 64 KiB",
        run: realloc_growth,
    },
    Workload {
        name: "cross_thread",
        operation: "allocate 64 B, free it on another thread",
        run: cross_thread,
    },
    Workload {
        name: "replacement",
        operation: "replace one of 4,096 blocks of 16 B to 1 KiB",
        run: replacement,
    },
];

/// Batches that one program times.
const BATCHES: usize = 9;

/// Long enough for the clock and for a scheduler's tick to be lost in it.
const BATCH_TIME: Duration = Duration::from_millis(10);

/// The `main` of a contender: times the workload that the first argument names
/// and prints the nanoseconds per operation of each batch, a line each. Without
/// an argument it prints the workloads: name, tab, what one operation is. With
/// `live_heap MIB` it prints what so large a heap takes, see there.
pub fn main() {
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        for workload in ALL {
            println!("{}\t{}", workload.name, workload.operation);
        }
        return;
    };
    if name == "live_heap" {
        return live_heap::main(args);
    }
    let Some(workload) = ALL.iter().find(|workload| workload.name == name) else {
        eprintln!("no workload is called {name}; without an argument I name them all");
        std::process::exit(2);
    };
    for nanoseconds in workload.time() {
        println!("{nanoseconds:.4}");
    }
}

impl Workload {
    /// Nanoseconds per operation of each of [`BATCHES`] batches, after enough
    /// operations for caches, tables and pools to be warm.
    fn time(&self) -> [f64; BATCHES] {
        let mut operations = 64;
        while self.batch(operations).0 < BATCH_TIME {
            operations *= 2;
        }
        std::array::from_fn(|_| {
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

#[inline(never)]
fn pair<const BYTES: usize>(operations: u64) -> u64 {
    for _ in 0..operations {
        drop(black_box(Box::<[u8; BYTES]>::new_uninit()));
    }
    operations
}

/// Nothing is ever written into the block, so what is left is the allocator's
/// own work, copying included.
#[inline(never)]
fn realloc_growth(operations: u64) -> u64 {
    let mut done = 0;
    while done < operations {
        let mut block = black_box(Vec::<u8>::with_capacity(64));
        while block.capacity() < 64 << 10 {
            block.reserve_exact(2 * block.capacity());
            block = black_box(block);
            done += 1;
        }
    }
    done
}

type Block = Box<[u64; 8]>;

/// Blocks travel by the thousand, so that the channel costs next to nothing, and
/// enough of them may be under way to outlast a consumer that is not scheduled.
#[inline(never)]
fn cross_thread(operations: u64) -> u64 {
    const CRATE: u64 = 1024;
    const CRATES_UNDER_WAY: usize = 64;
    let crates = operations.div_ceil(CRATE);
    let (full_tx, full_rx) = mpsc::sync_channel::<Vec<Block>>(CRATES_UNDER_WAY);
    let (empty_tx, empty_rx) = mpsc::sync_channel::<Vec<Block>>(CRATES_UNDER_WAY);
    for _ in 0..CRATES_UNDER_WAY {
        empty_tx
            .send(Vec::with_capacity(CRATE as usize))
            .expect("its receiver is alive");
    }
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for mut blocks in full_rx {
                blocks.clear();
                // The producer has all it needs once it hung up.
                let _ = empty_tx.send(blocks);
            }
        });
        for _ in 0..crates {
            let mut blocks = empty_rx.recv().expect("the consumer returns every crate");
            blocks.extend((0..CRATE).map(|block| black_box(Box::new([block; 8]))));
            full_tx
                .send(blocks)
                .expect("the consumer outlives the producer");
        }
        drop(full_tx);
    });
    crates * CRATE
}

/// A server's steady state after Larson and Krishnan: many live blocks of mixed
/// sizes and ages, of which a random one makes way for a new one.
#[inline(never)]
fn replacement(operations: u64) -> u64 {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    blocks.resize_with(4096, Vec::new);
    for _ in 0..operations {
        let random = next();
        let slot = (random >> 32) as usize % blocks.len();
        blocks[slot] = Vec::with_capacity(16 + random as usize % 1009);
        black_box(&mut blocks[slot]);
    }
    operations
}
