//! Over jemalloc, which tells everything.

use heapprof::memory;
use heapprof_memory::{MIB, blocks, drop_every_other, part, resident_by_status};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOC: heapprof::Alloc<Jemalloc> =
    heapprof::Alloc::new(Jemalloc).with_sample_interval(1 << 14);

#[test]
fn each_figure_is_where_it_belongs() {
    // 5 KiB less 100 bytes: jemalloc's class is 5 KiB.
    let mut held = blocks(20_000, 5_020);
    let full = memory().expect("registered");
    println!("{full}");
    let allocator = full.allocator.as_ref().expect("jemalloc is below");
    let [allocated, active, resident] = [
        allocator.allocated_bytes,
        allocator.active_bytes,
        allocator.resident_bytes,
    ]
    .map(|bytes| bytes.expect("jemalloc tells it"));
    assert_eq!(allocator.name, "jemalloc");
    assert!((20_000 * 5_120..20_000 * 5_120 + 4 * MIB).contains(&allocated));
    assert!(allocated <= active && active <= resident);
    let live = part(&full, "live objects");
    let classes = part(&full, "size classes, and what is not seen");
    assert_eq!(live + classes, allocated);
    let interval = full.in_use.confidence_interval_bytes();
    assert!((*interval.start()..=*interval.end() + 4 * MIB as i64).contains(&(20_000 * 5_020)));

    let process = full.process.as_ref().expect("there is a /proc");
    assert!(process.resident_bytes.abs_diff(resident_by_status()) < 4 * MIB);
    assert_eq!(
        process.resident_bytes,
        process.anonymous_bytes + process.file_bytes
    );
    let sum: u64 = full.parts().iter().map(|part| part.bytes).sum();
    // What the profiler mapped and did not touch is the most that may be too much.
    assert!(
        sum >= process.resident_bytes && sum <= process.resident_bytes + full.own_bytes + 8 * MIB
    );

    drop_every_other(&mut held);
    let holed = memory().expect("registered");
    println!("{holed}");
    let freed = 10_000 * 5_120;
    assert!(part(&holed, "fragmentation") > part(&full, "fragmentation") + freed / 2);
    // All go: pages that were used are kept for a while, or given back.
    drop(held);
    let empty = memory().expect("registered");
    println!("{empty}");
    assert!(part(&empty, "live objects") < 4 * MIB);
    assert!(part(&empty, "fragmentation") < freed / 2);
}
