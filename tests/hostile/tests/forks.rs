//! `fork` under load: the child has one of many threads, and whatever the
//! others were doing will never be finished. It profiles and dumps all the same.

#![cfg(target_os = "linux")]

use std::path::Path;

use heapprof_end_to_end::{Profile, Values, scale};
use heapprof_hostile::{Ran, folder, profile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_forks");

/// Forks so often under such load. Every child checks its own figures; every
/// so many of them write a profile, which is checked here.
fn children_live_on(condition: &str, forks: usize, profile_every: usize) {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    run(condition, forks, &path);
    for n in (0..forks).step_by(profile_every) {
        has_what_a_child_did(&profile(&path, &n.to_string()));
    }
}

fn run(condition: &str, forks: usize, path: &Path) {
    let arguments = [condition, &forks.to_string(), &path.to_string_lossy()];
    let ran = Ran::of(PROGRAM, &arguments).expect_success();

    let parent = profile(path, "parent");
    let load = parent.sum("forks::load_comes_and_goes");
    let in_use = (load.in_use_objects, load.in_use_bytes);
    assert_eq!(
        (load.alloc_objects, in_use),
        (ran.figure("load-blocks"), (0, 0))
    );
    assert_eq!(parent.sum("forks::child_holds"), Values::default());
}

fn times() -> usize {
    usize::try_from(scale()).expect("scales are small")
}

/// With stacks: without them, no function would be known to have done it.
fn has_what_a_child_did(child: &Profile) {
    let held = Values::held(2, 777) + Values::held(1, 77_700);
    assert_eq!(child.sum("forks::child_holds"), held);
    let gone = Values::partly_freed(100, 100, 50) + Values::partly_freed(100, 100, 60_000);
    assert_eq!(child.sum("forks::child_comes_and_goes"), gone);
    let by_threads = Values::partly_freed(2, 2, 4_321);
    assert_eq!(child.sum("forks::child_thread_holds"), by_threads);
}

#[test]
fn under_allocations() {
    children_live_on("allocations", 40 * times(), 10);
}

#[test]
fn under_snapshots() {
    children_live_on("snapshots", 100 * times(), 20);
}

#[test]
fn under_dumps() {
    children_live_on("dumps", 30 * times(), 10);
}

#[test]
fn a_thread_that_never_allocated() {
    children_live_on("thread", 1, 1);
}

#[test]
fn children_of_children() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    run("grandchild", 1, &path);
    has_what_a_child_did(&profile(&path, "0"));
    for n in 0..5 {
        has_what_a_child_did(&profile(&path, &format!("0.{n}")));
    }
}

#[test]
fn another_program_profiles_from_its_start() {
    children_live_on("exec", 4 * times(), 1);
}

#[test]
fn commands_of_the_standard_library() {
    children_live_on("commands", 4 * times(), 1);
}
