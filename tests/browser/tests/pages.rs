//! The pages of a program with hostile names, in Chromium. What is looked at says
//! `pages.js`.

use std::process::Command;

use heapprof_browser::{Subject, node, root};

/// As bad as a file's name can be.
const PROGRAM: &str = "<i>\"'&é";

#[test]
fn pages_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(PROGRAM);
    // Without debug information, functions have the names that the linker knows.
    let stripped = Command::new("strip")
        .args(["--strip-debug", "-o"])
        .arg(&program)
        .arg(env!("CARGO_BIN_EXE_subject"))
        .status();
    assert!(stripped.unwrap().success());

    let subject = Subject::start(&program);
    let passed = node("pages.js").arg(&subject.address).status();
    subject.end();
    assert!(passed.unwrap().success(), "see what was printed");
}

#[test]
fn the_viewer_is_what_it_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("viewer.js");
    let status = node("bundle.js").arg(&made).status();
    assert!(status.unwrap().success());
    let kept = root().join("../../src/http/ui/viewer/viewer.js");
    let (made, kept) = (std::fs::read(made).unwrap(), std::fs::read(kept).unwrap());
    assert!(made == kept, "cargo xtask viewer makes it again");
}
