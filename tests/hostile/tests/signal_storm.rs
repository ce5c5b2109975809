//! Signals by the ten thousand, whose handlers allocate and free: they interrupt
//! the recorder at every point. Nothing is left over and nothing is invented.

#![cfg(target_os = "linux")]

use heapprof_end_to_end::{Values, scale};
use heapprof_hostile::{Ran, folder, profile};

#[test]
fn handlers_may_allocate_in_the_middle_of_everything() {
    let signals = 20_000 * scale();
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    let program = env!("CARGO_BIN_EXE_signal_storm");
    let ran = Ran::of(program, &[&signals.to_string(), &path.to_string_lossy()]).expect_success();
    println!("{ran}");
    for figure in ["lost", "foreign", "torn", "live"] {
        assert_eq!(ran.figure(figure), 0, "{figure}: {ran}");
    }

    let after = profile(&path, "after");
    let none_left = |what: &str, values: Values| {
        let in_use = (values.in_use_objects, values.in_use_bytes);
        assert_eq!(in_use, (0, 0), "{what}: {values:?}");
    };
    let work = after.sum("signal_storm::work_");
    let handlers = after.sum("signal_storm::handler_");
    let frameless = after.sum_where(|stack| stack[0].name.starts_with('['));
    none_left("work", work);
    none_left("handlers", handlers);
    none_left("frameless", frameless);

    // What a handler allocates while the profiler is at work on its thread is
    // not sampled, and an allocation interrupted just then may lose its turn to
    // the handler's.
    let counted = work.alloc_objects + frameless.alloc_objects;
    let truth = ran.figure("work-blocks");
    assert!(
        work.alloc_objects <= truth && counted > truth / 10 * 9,
        "{work:?}: {ran}"
    );
    let truth = ran.figure("handler-blocks");
    assert!(
        (1..=truth).contains(&handlers.alloc_objects),
        "{handlers:?}: {ran}"
    );
    println!("{work:?} {handlers:?} {frameless:?}");
}
