//! The programs under valgrind: no read or write outside of what was given out,
//! nothing leaked, and nothing that the profiler does for itself is mistaken for
//! either.

#![cfg(target_os = "linux")]

use std::process::Command;

use heapprof_hostile::Ran;

/// How valgrind is told to end when it found something.
const FOUND: i32 = 99;

fn under_memcheck(program: &str, argument: &str) -> Ran {
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite"])
        .args(["--errors-for-leak-kinds=definite"])
        .arg(format!("--error-exitcode={FOUND}"))
        .args([program, argument]);
    let ran = command.output();
    let output = ran.expect("valgrind is installed by `cargo xtask test`");
    Ran { output }
}

#[test]
fn planted_faults_in_sampled_blocks_are_found() {
    const PLANTED: &str = env!("CARGO_BIN_EXE_planted");
    for (fault, said) in [
        ("use-after-free", "Invalid read of size 1"),
        ("leak", "definitely lost"),
    ] {
        let ran = under_memcheck(PLANTED, fault);
        assert_eq!(ran.output.status.code(), Some(FOUND), "{fault}");
        assert!(ran.stderr().contains(said), "{}", ran.stderr());
    }
    let ran = under_memcheck(PLANTED, "nothing").expect_success();
    assert_eq!(ran.stderr(), "");
}

#[test]
fn memcheck_finds_nothing_after_everything_at_once() {
    for program in [
        env!("CARGO_BIN_EXE_stress"),
        env!("CARGO_BIN_EXE_stress_at_caps"),
    ] {
        let ran = under_memcheck(program, "operations=2000").expect_success();
        assert_eq!(ran.stderr(), "");
        assert!(ran.stdout().contains("nothing left"), "{}", ran.stdout());
    }
}
