//! Stacks that are too small, nearly used up, or very deep. The profiler may
//! not be the one that needs the last of it.

#![cfg(target_os = "linux")]

use heapprof_end_to_end::Values;
use heapprof_hostile::{Ran, folder, profile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stacks");

/// What a program without a profiler would keep for the C library's allocator,
/// and the KiB that a sample needs on top.
const RESERVE: &str = "3072";

/// All were samples, freed since.
fn all_counted(ran: &Ran) {
    assert_ne!(ran.figure("allocations"), 0, "{ran}");
    assert_eq!(ran.figure("samples"), ran.figure("allocations"), "{ran}");
    assert_eq!((ran.figure("lost"), ran.figure("live")), (0, 0), "{ran}");
}

#[test]
fn an_overflow_ends_as_it_does_without_a_profiler() {
    for condition in ["overflow", "overflow-on-a-thread"] {
        let ran = Ran::of(PROGRAM, &[condition]).expect_signal(libc::SIGABRT);
        assert!(ran.stderr().contains("has overflowed its stack"), "{ran}");
    }
}

#[test]
fn samples_are_taken_down_to_the_last_pages() {
    let ran = Ran::of(PROGRAM, &["to-the-edge", RESERVE]).expect_success();
    all_counted(&ran);
}

/// The first one asks where the stack is, and makes what it unwinds with.
#[test]
fn the_first_sample_of_a_thread_may_come_there() {
    let ran = Ran::of(PROGRAM, &["first-at-the-edge", RESERVE]).expect_success();
    all_counted(&ran);
}

#[test]
fn the_smallest_threads_are_profiled() {
    let ran = Ran::of(PROGRAM, &["small"]).expect_success();
    all_counted(&ran);
    // Threads that start together may have to do without at first.
    assert!(
        ran.figure("missing") < ran.figure("allocations") / 2,
        "{ran}"
    );
}

#[test]
fn of_ten_thousand_frames_the_innermost_are_kept() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    let ran = Ran::of(PROGRAM, &["deep", &path.to_string_lossy()]).expect_success();
    let profile = profile(&path, "deep");
    let all = Values::partly_freed(10_000, 10_000, 64);
    assert_eq!(profile.sum("stacks::deep_holds"), all);

    // Those above are whole, the others all look the same.
    let too_deep = profile
        .sum("[truncated: deeper than 128 frames]")
        .alloc_objects;
    assert!((9_870..10_000).contains(&too_deep), "{too_deep}");
    assert_eq!(ran.figure("too-deep"), too_deep);
    let truncated = profile.stacks("[truncated: deeper than 128 frames]");
    // A compiler may make one function of a few levels of the recursion.
    assert!(truncated.len() <= 10, "{truncated:#?}");
    for stack in truncated {
        let names: Vec<_> = stack.iter().map(|frame| frame.name.as_str()).collect();
        let innermost = names.iter().position(|name| *name == "stacks::deep_holds");
        let innermost = innermost.unwrap_or_else(|| panic!("{names:?}"));
        // The least deep of them end with how the thread began.
        let recursion = &names[innermost + 1..][..100];
        let is_recursion = |name: &&str| *name == "stacks::recurse";
        assert!(recursion.iter().all(is_recursion), "{names:?}");
    }
}
