//! Threads that come and go: each leaves nothing behind, neither memory nor
//! samples, and is sampled as often as a thread that stays.

#![cfg(target_os = "linux")]

use std::process::Command;

use heapprof_end_to_end::scale;
use heapprof_hostile::{Ran, folder, profile};

#[test]
fn a_hundred_thousand_threads_leave_nothing_behind() {
    let threads = if cfg!(debug_assertions) {
        50_000
    } else {
        100_000
    } * scale();
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    let program = env!("CARGO_BIN_EXE_many_threads");
    let ran = Ran::command(
        Command::new(program)
            .arg(threads.to_string())
            .arg(&path)
            // glibc gives threads heaps of their own, and fills them by and by.
            .env("MALLOC_ARENA_MAX", "1"),
    )
    .expect_success();
    println!("{ran}");

    // Nine tenths of the threads come after the first look. A cache line for
    // each of them would be 5 MiB (2 in debug); what does grow are pages of the
    // tables, touched for the first time.
    let figure = |when: &str, what: &str| ran.figure(&format!("{when}-{what}"));
    let grown = |what: &str| figure("all", what) - figure("tenth", what);
    assert!(grown("resident") <= 768 << 10, "{ran}");
    assert_eq!(grown("own"), 0, "{ran}");
    // Stacks are the same for all threads; rare ones may still turn up.
    assert!(grown("records") <= 100, "{ran}");
    assert!(grown("live") <= 2, "{ran}");
    assert_eq!(figure("all", "lost"), 0, "{ran}");

    let allocs = profile(&path, "allocs").sum("many_threads::short_life");
    assert_eq!((allocs.in_use_objects, allocs.in_use_bytes), (0, 0));
    // An estimate from n samples, of blocks that are all the same, is off by
    // 1/sqrt(n); six times that is an error.
    let bytes = 2_048.0 * threads as f64;
    let samples = bytes / 4096.0;
    let off = (allocs.alloc_bytes as f64 - bytes).abs() / bytes;
    assert!(off < 6.0 / samples.sqrt(), "{allocs:?} is off by {off}");
}
