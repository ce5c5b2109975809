//! Panics unwind through frames that allocate, and through frees: what they
//! free is freed in the figures.

#![cfg(target_os = "linux")]

use heapprof_end_to_end::{Profile, Values};
use heapprof_hostile::{Ran, folder, profile};

fn after(condition: &str) -> Profile {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    let program = env!("CARGO_BIN_EXE_endings");
    Ran::of(program, &[condition, &path.to_string_lossy()]).expect_success();
    profile(&path, "after")
}

fn all_freed(objects: usize, size: usize) -> Values {
    Values::partly_freed(objects, objects, size)
}

#[test]
fn unwinding_frees_what_frames_hold() {
    let profile = after("unwind");
    // Ten times each of the depths 0 to 29, in two sizes.
    let calls = 10 * (1..=30).sum::<usize>();
    let expected = all_freed(calls, 100) + all_freed(calls, 40_000);
    assert_eq!(profile.sum("endings::frame_holds"), expected);
}

#[test]
fn a_drop_that_panics_frees_all_the_same() {
    let profile = after("panic-in-drop");
    assert_eq!(profile.sum("endings::bomb_holds"), all_freed(300, 500));
    assert_eq!(profile.sum("endings::beside_the_bomb"), all_freed(300, 700));
}

#[test]
fn threads_that_panic_end_like_others() {
    let profile = after("panic-in-threads");
    assert_eq!(profile.sum("endings::bomb_holds"), all_freed(50, 500));
    assert_eq!(profile.sum("endings::beside_the_bomb"), all_freed(50, 700));
}
