//! Allocations before `main`, some of them before the profiler could set
//! itself up: counted like all others, if without a stack.

#![cfg(target_os = "linux")]

use heapprof_end_to_end::{Profile, Values};
use heapprof_hostile::{Ran, folder, profile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_before_main");

/// What constructors and their threads did, with a stack or without. Nothing
/// else in the program is without one.
fn before_main(profile: &Profile) -> Values {
    profile.sum("[no stack]") + by_constructors(profile)
}

/// Of those, what has a stack.
fn by_constructors(profile: &Profile) -> Values {
    profile.sum("before_main::LATE") + profile.sum("before_main::late_thread")
}

#[test]
fn everything_is_counted_and_freed_again() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    Ran::of(PROGRAM, &[&path.to_string_lossy()]).expect_success();
    let (held, freed) = (profile(&path, "held"), profile(&path, "freed"));

    let first = Values::held(3, 1_000);
    let early =
        Values::held(5, 3_000) + Values::partly_freed(7, 7, 2_000) + Values::held(2, 50_000);
    let late = Values::held(4, 5_000);
    let threads = Values::held(24, 6_000) + Values::partly_freed(300, 300, 7_000);
    let before = first + early + late + threads;
    assert_eq!(before_main(&held), before);
    assert_eq!(held.sum("before_main::main_holds"), Values::held(1, 9_000));

    let gone = |values: Values| Values {
        in_use_objects: 0,
        in_use_bytes: 0,
        ..values
    };
    assert_eq!(before_main(&freed), gone(before));
    assert_eq!(
        freed.sum("before_main::main_holds"),
        Values::partly_freed(1, 1, 9_000)
    );
}

#[test]
fn what_has_no_stack_says_so() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    Ran::of(PROGRAM, &[&path.to_string_lossy()]).expect_success();
    let held = profile(&path, "held");
    // Priorities are certain to come before the profiler's own set-up.
    let certain = 3 + 5 + 7 + 2;
    let without = held.sum("[no stack]").alloc_objects;
    assert!(without >= certain, "{without} of at least {certain}");
    let comments = held.comments();
    let comment = format!("heapprof: {without} samples without a stack");
    assert!(comments.contains(&comment.as_str()), "{comments:?}");
}
