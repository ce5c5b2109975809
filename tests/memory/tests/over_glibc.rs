//! Over the C library's allocator.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use heapprof::memory;
use heapprof_memory::{MIB, blocks};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(1);

#[test]
fn holes_are_told_from_objects() {
    const COUNT: u64 = 100_000;
    const SIZE: u64 = 1_000;
    let mut held = blocks(COUNT as usize, SIZE as usize);
    let full = memory().expect("registered");
    let mut keep = false;
    held.retain(|_| {
        keep = !keep;
        keep
    });
    let holed = memory().expect("registered");
    println!("{holed}");
    let bytes = |memory: &heapprof::Memory, name: &str| {
        let parts = memory.parts();
        parts
            .iter()
            .find(|part| part.name == name)
            .map(|part| part.bytes)
    };
    let allocator = full.allocator.as_ref().expect("glibc is below");
    assert_eq!(allocator.name, "glibc");
    let allocated = allocator.allocated_bytes.expect("glibc tells it");
    // 8 bytes before each block, and rounded up to 16.
    assert!((COUNT * 1_008..COUNT * 1_008 + 8 * MIB).contains(&allocated));
    let live = bytes(&holed, "live objects").expect("it is known");
    assert!((COUNT * SIZE / 2..COUNT * SIZE / 2 + 4 * MIB).contains(&live));
    let holes = bytes(&holed, "fragmentation").expect("it is known");
    assert!((COUNT * SIZE / 2 - MIB..COUNT * SIZE / 2 + 8 * MIB).contains(&holes));
    drop(held);
}
