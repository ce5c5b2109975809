//! The heap of a live program in speedscope, in Chromium.

use heapprof_browser::{Subject, node};

#[test]
fn speedscope_shows_the_heap() {
    let subject = Subject::start(env!("CARGO_BIN_EXE_subject").as_ref());
    let passed = node("speedscope.js")
        .args([&subject.address, "subject::größte_日本"])
        .status();
    subject.end();
    assert!(passed.unwrap().success(), "see what was printed");
}
