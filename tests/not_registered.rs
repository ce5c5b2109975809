//! A program that forgot to register the allocator is told so by every
//! function, with the lines to add.

use heapprof::{Error, Snapshot};

#[test]
fn the_error_says_which_lines_to_add_and_where() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!(
        "heapprof-not-registered-{}.pb.gz",
        std::process::id()
    ));
    for error in [
        heapprof::dump_heap().map(drop),
        heapprof::dump_allocs().map(drop),
        heapprof::dump_heap_to(&path),
        heapprof::dump_allocs_to(&path),
        heapprof::set_sample_interval(1),
        Snapshot::take().map(drop),
        heapprof::stage("too early").map(drop),
    ] {
        let error = error.expect_err("there is nothing to dump");
        assert!(matches!(error, Error::NotRegistered), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("#[global_allocator]"), "{message}");
        assert!(message.contains("heapprof::Alloc::system()"), "{message}");
        assert!(message.contains("never to a library"), "{message}");
    }
    assert!(!path.exists(), "no empty file is left behind");
    assert_eq!(heapprof::stages().iter().len(), 0);
}

#[test]
fn a_test_is_told_what_to_add_to_it() {
    let failure = std::panic::catch_unwind(|| heapprof::testing::measure(|| ()))
        .expect_err("there is nothing to count");
    let message = failure.downcast_ref::<&str>().expect("it is a text");
    assert!(message.contains("#[global_allocator]"), "{message}");
    assert!(message.contains("heapprof::Alloc::system()"), "{message}");
    assert!(message.contains("#[cfg(test)]"), "{message}");
}
