//! A program with a great many threads, a few at a time. See
//! `tests/many_threads.rs`.
//!
//! `many_threads THREADS FOLDER`

use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::thread;

use heapprof::{Alloc, Snapshot, Stats};
use heapprof_end_to_end::Block;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(4096);

const AT_A_TIME: u64 = 8;

fn main() {
    let mut arguments = env::args().skip(1);
    let threads: u64 = arguments
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number of threads is given");
    let folder = PathBuf::from(arguments.next().expect("a folder is given"));

    come_and_go(threads / 10);
    // Taken and dropped once before, so that its own memory is there both times.
    let _ = stats();
    report("tenth", &stats());
    come_and_go(threads - threads / 10);
    report("all", &stats());
    heapprof::dump_allocs_to(folder.join("allocs")).expect("the heap is dumped");
}

/// Starts and ends so many threads.
fn come_and_go(threads: u64) {
    for _ in 0..threads / AT_A_TIME {
        let threads = [(); AT_A_TIME as usize].map(|()| thread::spawn(short_life));
        for thread in threads {
            // Freed by another thread than allocated it.
            drop(thread.join().expect("it ends well"));
        }
    }
}

/// 2,048 bytes: far below the interval, so nearly everything hangs on the first
/// gap of each thread.
#[inline(never)]
fn short_life() -> [Block; 2] {
    drop([Block::new(black_box(512)), Block::new(black_box(512))]);
    [Block::new(black_box(512)), Block::new(black_box(512))]
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator is registered");
    snapshot.stats().clone()
}

fn report(when: &str, stats: &Stats) {
    println!("{when}-resident {}", resident_bytes());
    println!("{when}-own {}", stats.own_bytes);
    println!("{when}-records {}", stats.records);
    println!("{when}-live {}", stats.live_samples);
    println!("{when}-lost {}", stats.lost_samples);
    println!("{when}-missing {}", stats.missing_stacks);
    println!("{when}-samples {}", stats.samples);
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("it can be read");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("the second number is the resident pages");
    pages * 4096
}
