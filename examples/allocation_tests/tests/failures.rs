//! What a failed assertion says. The tests that are ignored fail; the others run them
//! and read what they print. To see it:
//!
//! ```console
//! $ cargo test -p allocation-tests --test failures -- --ignored
//! ```

use std::process::Command;

use allocation_tests::{Seen, parse_owned};
use heapprof::testing::measure;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const QUERY: &str = "tenant=acme&route=images&size=64";

#[test]
#[ignore = "fails on purpose"]
fn too_many() {
    measure(|| parse_owned(QUERY)).assert_allocations_at_most(3);
}

#[test]
#[ignore = "fails on purpose"]
fn too_large() {
    measure(|| parse_owned(QUERY)).assert_allocated_bytes_at_most(100);
}

#[test]
#[ignore = "fails on purpose"]
fn too_large_at_once() {
    measure(|| parse_owned(QUERY)).assert_peak_bytes_at_most(100);
}

#[test]
#[ignore = "fails on purpose"]
fn not_freed() {
    let mut seen = Seen::default();
    measure(|| seen.note(QUERY)).assert_no_leaks();
}

/// What a test that fails prints.
fn failure_of(test: &str) -> String {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this program can be run");
    assert!(!output.status.success(), "{test} fails on purpose");
    String::from_utf8(output.stderr).expect("tests print text")
}

/// The number of the line in this file that holds `text` first.
fn line_of(text: &str) -> usize {
    let mut lines = include_str!("failures.rs").lines();
    1 + lines
        .position(|line| line.contains(text))
        .expect("it is there")
}

fn assert_says(message: &str, parts: &[&str]) {
    let mut rest = message;
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => panic!("{part:?} is missing, or out of place, in\n{message}"),
        }
    }
}

#[test]
fn allocations_are_named_where_most_are_made() {
    let message = failure_of("too_many");
    let here = format!("failures.rs:{}", line_of(".assert_allocations_at_most(3)"));
    let strings = 6;
    // Grown once or more, from nothing.
    let summary = |message: &str| -> (u64, u64) {
        let number = |before: &str, after: &str| {
            let (_, rest) = message.split_once(before)?;
            rest.split_once(after)?.0.parse().ok()
        };
        (
            number(" made ", " allocations of ").expect("it says how many"),
            number(" allocations of ", " bytes, at most ").expect("and of how much"),
        )
    };
    let (allocations, bytes) = summary(&message);
    assert!(allocations > strings, "{message}");
    assert!(bytes > QUERY.len() as u64 - 5, "{message}");
    assert_says(
        &message,
        &[
            &here,
            "expected at most 3 allocations, but the closure at ",
            &here,
            "; left are 0 blocks of 0 bytes",
            "\nAllocated there:\n  blocks        bytes\n       3 ",
            "to_owned\n",
            "parse_owned at ",
            "src/lib.rs:",
            "closure",
            &here,
        ],
    );
    // What is above the closure is not of it.
    assert!(!message.contains("heapprof::testing"), "{message}");
    assert!(
        !message.contains("__rust_begin_short_backtrace"),
        "{message}"
    );
}

#[test]
fn bytes_are_named_where_most_are_asked_for() {
    let message = failure_of("too_large");
    assert_says(
        &message,
        &[
            "expected at most 100 bytes allocated, but the closure at ",
            "\nAllocated there:\n",
            // The vector of pairs comes first.
            "push",
            "parse_owned at ",
        ],
    );
    let message = failure_of("too_large_at_once");
    assert_says(
        &message,
        &[
            "expected at most 100 bytes at once, but ",
            "parse_owned at ",
        ],
    );
}

#[test]
fn what_is_left_is_named() {
    let message = failure_of("not_freed");
    let line = line_of(".assert_no_leaks()");
    assert_says(
        &message,
        &[
            "expected nothing left, but the closure at ",
            &format!("failures.rs:{line}"),
            "; left are 2 blocks of ",
            "\nLeft of what was allocated there:\n",
            "note at ",
            "src/lib.rs:",
        ],
    );
}
