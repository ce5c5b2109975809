//! The pages of a program with hostile names, in Chromium. What is looked at says
//! `pages.js`.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

    let mut subject = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    let mut output = BufReader::new(subject.stdout.take().unwrap());
    output.read_line(&mut address).unwrap();

    let passed = node("pages.js").arg(address.trim()).status();
    // Its input ends, and so does it.
    drop(subject.stdin.take());
    assert!(subject.wait().unwrap().success());
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

fn node(script: &str) -> Command {
    for variable in ["BROWSER", "BROWSER_TOOLS"] {
        assert!(
            env::var_os(variable).is_some(),
            "{variable} is not set: cargo xtask test installs what is needed"
        );
    }
    let mut node = Command::new("node");
    node.arg(root().join(script));
    node
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
