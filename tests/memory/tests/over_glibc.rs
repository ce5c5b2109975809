//! Over the C library's allocator.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use heapprof::memory;
use heapprof_memory::{MIB, blocks, drop_every_other, part};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

#[test]
fn holes_are_told_from_objects() {
    const COUNT: u64 = 100_000;
    const SIZE: u64 = 1_000;
    let mut held = blocks(COUNT as usize, SIZE as usize);
    let full = memory().expect("registered");
    drop_every_other(&mut held);
    let holed = memory().expect("registered");
    println!("{holed}");
    let allocator = full.allocator.as_ref().expect("glibc is below");
    assert_eq!(allocator.name, "glibc");
    let allocated = allocator.allocated_bytes.expect("glibc tells it");
    // 8 bytes before each block, and rounded up to 16.
    assert!((COUNT * 1_008..COUNT * 1_008 + 8 * MIB).contains(&allocated));
    let live = part(&holed, "live objects");
    assert!((COUNT * SIZE / 2..COUNT * SIZE / 2 + 4 * MIB).contains(&live));
    let holes = part(&holed, "fragmentation");
    assert!((COUNT * SIZE / 2 - MIB..COUNT * SIZE / 2 + 8 * MIB).contains(&holes));
    drop(held);
}
