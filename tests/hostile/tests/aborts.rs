//! A program that ends before its time, by its own hand or another's: at once,
//! and what files it has written are whole.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use heapprof_end_to_end::{Profile, scale};
use heapprof_hostile::{Ran, folder};

const PROGRAM: &str = env!("CARGO_BIN_EXE_endings");

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("so are its entries").file_name())
        .map(|name| name.into_string().expect("names are plain"))
        .collect();
    names.sort();
    names
}

/// Amid allocations and snapshots; what was dumped before stays as it was.
fn ends_by(signal: i32, condition: &str) {
    for _ in 0..5 * scale() {
        let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
        Ran::of(PROGRAM, &[condition, &path.to_string_lossy()]).expect_signal(signal);
        assert_eq!(names(&path), ["heap"]);
        is_whole(&path.join("heap"));
    }
}

fn is_whole(path: &Path) {
    let profile = Profile::decode(&fs::read(path).expect("it was written"));
    assert_ne!(profile.sum("endings::main").alloc_objects, 0);
}

#[test]
fn abort() {
    ends_by(libc::SIGABRT, "abort");
}

#[test]
fn abort_in_c() {
    ends_by(libc::SIGABRT, "abort-in-c");
}

#[test]
fn a_panic_while_panicking_aborts() {
    ends_by(libc::SIGABRT, "panic-while-panicking");
}

#[test]
fn a_panic_that_cannot_unwind_aborts() {
    ends_by(libc::SIGABRT, "panic-where-none-may-be");
}

/// Nothing can clean up after itself here: a temporary file may be left, but
/// under the name that was asked for there is never half a profile.
#[test]
fn files_being_written_are_whole_or_not_there() {
    let ends = [
        ("abort-while-dumping", libc::SIGABRT),
        ("kill-while-dumping", libc::SIGKILL),
    ];
    for (condition, signal) in ends {
        for _ in 0..3 * scale() {
            let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
            Ran::of(PROGRAM, &[condition, &path.to_string_lossy()]).expect_signal(signal);
            for name in names(&path) {
                if ["first", "second"].contains(&name.as_str()) {
                    is_whole(&path.join(name));
                } else {
                    assert!(name.ends_with(".tmp"), "{name}");
                }
            }
        }
    }
}
