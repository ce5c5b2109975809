//! Libraries that come and go beside threads that sample, and under snapshots.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::{Block, Profile};
use heapprof_hostile::folder;
use heapprof_hostile::plugin::{Plugin, build};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[test]
fn libraries_come_and_go_under_load() {
    let (_kept, folder) = folder(env!("CARGO_TARGET_TMPDIR"));
    let libraries = [build(&folder, "first"), build(&folder, "second")];
    let rounds = 40 * heapprof_end_to_end::scale();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(Block::new(5_555));
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Snapshot::take().expect("the allocator is registered");
            }
        });
        let mut held = Vec::new();
        for round in 0..rounds as usize {
            let plugin = Plugin::open(&libraries[round % 2]);
            held.extend((0..20).map(|_| plugin.allocate()));
            if round % 10 == 9 {
                held.clear();
            }
            plugin.close();
        }
        drop(held);
        done.store(true, Ordering::Relaxed);
    });
    let profile = Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"));
    for name in ["plugin::first_plugin_holds", "plugin::second_plugin_holds"] {
        let sum = profile.sum(name);
        assert_eq!((sum.in_use_objects, sum.in_use_bytes), (0, 0), "{name}");
        // Some of its stacks were listed in time, and each is counted once.
        assert!(sum.alloc_objects <= 10 * rounds as i64, "{name}: {sum:?}");
    }
    assert_eq!(profile.misplaced_addresses(), [] as [u64; 0]);
}
