//! Over mimalloc, which tells what it has committed.

use heapprof::memory;
use heapprof_memory::{MIB, blocks};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOC: heapprof::Alloc<MiMalloc> = heapprof::Alloc::new(MiMalloc);

#[test]
fn what_is_committed_holds_what_is_in_use() {
    let held = blocks(20_000, 5_000);
    let memory = memory().expect("registered");
    println!("{memory}");
    let allocator = memory.allocator.as_ref().expect("mimalloc is below");
    assert_eq!(
        (allocator.name, allocator.allocated_bytes),
        ("mimalloc", None)
    );
    let committed = allocator.active_bytes.expect("mimalloc tells it");
    assert!((20_000 * 5_000..20_000 * 5_000 + 100 * MIB).contains(&committed));
    let names: Vec<_> = memory.parts().iter().map(|part| part.name).collect();
    assert_eq!(names[..2], ["live objects", "size classes and free memory"]);
    drop(held);
}
