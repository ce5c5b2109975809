//! The end of threads and of the program: what is allocated and freed there is
//! counted, and nothing stays behind that looks like a leak.

#![cfg(target_os = "linux")]

use heapprof_end_to_end::{Values, scale};
use heapprof_hostile::{Ran, folder, profile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_teardown");
const THREADS: usize = 8;

fn all_freed(objects: usize, size: usize) -> Values {
    Values::partly_freed(objects, objects, size)
}

#[test]
fn handlers_at_exit_allocate_free_and_dump() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    Ran::of(PROGRAM, &["at-exit", &path.to_string_lossy()]).expect_success();

    let first = profile(&path, "first");
    assert_eq!(first.sum("teardown::main_holds"), all_freed(5, 1_000));
    assert_eq!(
        first.sum("teardown::handler_holds"),
        Values::held(3, 40_000)
    );
    let resized = |times| all_freed(times, 100) + all_freed(times, 200);
    assert_eq!(first.sum("teardown::handler_comes_and_goes"), resized(1));

    let last = profile(&path, "last");
    assert_eq!(last.sum("teardown::main_holds"), all_freed(5, 1_000));
    assert_eq!(last.sum("teardown::handler_holds"), all_freed(3, 40_000));
    assert_eq!(
        last.sum("teardown::handler_comes_and_goes"),
        resized(1 + THREADS)
    );
    assert_eq!(last.sum("[no stack]"), Values::default());
}

#[test]
fn destructors_of_thread_locals_leave_no_phantoms() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    Ran::of(PROGRAM, &["thread-locals", &path.to_string_lossy()]).expect_success();

    let after = profile(&path, "after");
    // The main thread has thread-locals too.
    let threads = THREADS + 1;
    let lived = [500, 508, 516].map(|size| all_freed(threads, size));
    let lived = lived.into_iter().fold(Values::default(), |a, b| a + b);
    assert_eq!(after.sum("teardown::dying_lives"), lived);
    assert_eq!(
        after.sum("teardown::dying_comes_and_goes"),
        all_freed(threads * 3 * 10, 70)
    );
    assert_eq!(
        after.sum("teardown::dying_holds"),
        Values::held(threads * 3, 3_000)
    );
}

#[test]
fn destructors_of_keys_run_last_and_are_counted() {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    Ran::of(PROGRAM, &["thread-keys", &path.to_string_lossy()]).expect_success();

    let after = profile(&path, "after");
    // Once by the thread itself, then after each of four calls.
    let partly = |size| Values::partly_freed(THREADS * 5, THREADS * 4, size);
    let block = size_of::<heapprof_end_to_end::Block>();
    assert_eq!(
        after.sum("teardown::key_holds"),
        partly(600) + partly(block)
    );
}

#[test]
fn a_process_ends_under_threads_that_allocate() {
    for _ in 0..100 * scale() {
        Ran::of(PROGRAM, &["detached", "."]).expect_success();
    }
}

#[test]
fn the_last_dump_comes_while_threads_allocate() {
    for _ in 0..3 * scale() {
        let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
        Ran::of(PROGRAM, &["detached-dump", &path.to_string_lossy()]).expect_success();
        let profile = profile(&path, "while");
        assert_eq!(
            profile.sum("teardown::handler_holds"),
            Values::held(3, 40_000)
        );
        let running = profile.sum("teardown::dying_comes_and_goes");
        // At most one block on each thread, those in their last moments too.
        assert!((0..=13).contains(&running.in_use_objects), "{running:?}");
    }
}
