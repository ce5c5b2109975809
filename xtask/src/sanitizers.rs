//! The tests under AddressSanitizer and LeakSanitizer, after it was seen that
//! these find what is planted.
//!
//! The standard library is the ordinary one: what it does is checked by their
//! malloc alone. Tests that replace functions of the C library, look at frames
//! that instrumentation changes, or run out of address space, are left out.

use crate::command::Command;
use crate::workspace::Workspace;
use crate::{Failure, Result};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Tests of heapprof-hostile and heapprof-end-to-end.
const TESTS: [(&str, &[&str]); 2] = [
    (
        "heapprof-hostile",
        &[
            "stress",
            "refusals",
            "code_that_moves",
            "libraries_under_load",
        ],
    ),
    ("heapprof-end-to-end", &["exact_counts", "wrapper_model"]),
];

pub(crate) fn check(workspace: &Workspace) -> Result {
    for (fault, found) in [
        ("use-after-free", "AddressSanitizer: heap-use-after-free"),
        ("leak", "LeakSanitizer: detected memory leaks"),
    ] {
        let printed = cargo(workspace, "run")
            .args(["-p", "heapprof-hostile", "--bin", "planted", "--", fault])
            .failure()?;
        if !printed.contains(found) {
            return Err(Failure(format!(
                "a planted {fault} was not found; it printed\n{printed}"
            )));
        }
        println!("The planted {fault} was found.");
    }
    for (package, tests) in TESTS {
        let tests = tests.iter().flat_map(|test| ["--test", *test]);
        cargo(workspace, "test")
            .args(["-p", package])
            .args(tests)
            .run()?;
    }
    Ok(())
}

fn cargo(workspace: &Workspace, verb: &str) -> Command {
    Command::new("cargo")
        .current_dir(&workspace.root)
        .args([verb, "--target", TARGET])
        .env("CARGO_TARGET_DIR", workspace.target.join("sanitizers"))
        // The sanitizers are not stable; their flag is all that is needed of it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
}
