//! CPU profiles and stacks of threads while four threads allocate, every few bytes
//! are a sample and profiles of the heap are written: all of them are right.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use heapprof_end_to_end::{Profile, scale};
use heapprof_interrupts::profile;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

static ENDS: AtomicBool = AtomicBool::new(false);
static BLOCKS: AtomicU64 = AtomicU64::new(0);

#[inline(never)]
fn allocate_and_free() {
    while !ENDS.load(Ordering::Relaxed) {
        let blocks: Vec<_> = (1..50).map(block).collect();
        BLOCKS.fetch_add(blocks.len() as u64, Ordering::Relaxed);
    }
}

#[inline(never)]
fn block(size: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(size);
    block.push(1);
    std::hint::black_box(block)
}

#[inline(never)]
fn write_profiles() {
    while !ENDS.load(Ordering::Relaxed) {
        let dump = heapprof::dump_heap().unwrap();
        assert!(Profile::decode(&dump).sum("block").in_use_objects >= 0);
    }
}

#[inline(never)]
fn ask_threads() {
    while !ENDS.load(Ordering::Relaxed) {
        assert!(profile("goroutine").0.all().len() >= 4);
    }
}

#[test]
fn everything_at_once() {
    let bodies: [fn(); 8] = [
        allocate_and_free,
        allocate_and_free,
        allocate_and_free,
        allocate_and_free,
        write_profiles,
        write_profiles,
        ask_threads,
        ask_threads,
    ];
    let threads = bodies.map(thread::spawn);
    let mut samples = BTreeMap::new();
    for _ in 0..2 * scale() {
        let (cpu, _) = profile("profile?seconds=2");
        for sample in cpu.all() {
            let names = ["allocate_and_free", "write_profiles", "ask_threads"];
            let ours = names.into_iter().find(|name| {
                let mut functions = sample.stack.iter();
                functions.any(|function| function.name.contains(name))
            });
            *samples.entry(ours).or_insert(0) += sample.values[0];
        }
    }
    ENDS.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    println!("{samples:?}");
    assert!(samples[&Some("allocate_and_free")] > 0);

    // Interval 1 counts exactly: no sample was lost or taken twice.
    let heap = Profile::decode(&heapprof::dump_heap().unwrap()).sum("everything_at_once::block");
    let blocks = BLOCKS.load(Ordering::Relaxed);
    assert_eq!(u64::try_from(heap.alloc_objects), Ok(blocks));
    assert_eq!((heap.in_use_objects, heap.in_use_bytes), (0, 0));
    let stats = heapprof::Snapshot::take().unwrap().stats().clone();
    assert_eq!((stats.lost_samples, stats.foreign_frees), (0, 0));
}
