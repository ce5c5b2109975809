//! `HEAPPROF_DUMP` and a program that knows nothing of triggers.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use heapprof_end_to_end::Values;
use heapprof_triggers::Left;

const PROGRAM: &str = env!("CARGO_BIN_EXE_triggered");

fn left_with(dump: &str, mode: &str) -> Left {
    let mut command = Command::new(PROGRAM);
    command.arg(mode).env("HEAPPROF_DUMP", dump);
    let left = Left::by_command(&mut command, env!("CARGO_TARGET_TMPDIR"));
    assert!(left.ran.output.status.success(), "{}", left.ran);
    left
}

#[test]
fn at_exit() {
    let left = left_with("exit,dir=FOLDER", "plain");
    assert_eq!(left.ran.stderr(), "");
    assert_eq!(left.reasons(), ["exit"]);
    let freed = Values::partly_freed(1, 1, 7_777);
    assert_eq!(left.profile().sum("triggered::main_holds"), freed);
}

#[test]
fn from_time_to_time_and_only_the_newest() {
    let left = left_with("every=20ms,keep=2,dir=FOLDER", "plain-for-a-while");
    assert_eq!(left.ran.stderr(), "");
    assert_eq!(left.reasons(), ["periodic"; 2]);
}

#[test]
fn on_a_signal() {
    let left = left_with("signal=USR2,dir=FOLDER", "plain-signalled");
    assert_eq!(left.ran.stderr(), "");
    assert_eq!(left.reasons(), ["signal"]);
}

#[test]
fn on_a_threshold() {
    let left = left_with("threshold=1MiB+1TiB,dir=FOLDER", "plain-for-a-while");
    assert_eq!(left.ran.stderr(), "");
    assert_eq!(left.reasons(), ["resident"]);
}

/// Beside those of the program itself.
#[test]
fn a_program_with_triggers_of_its_own() {
    let left = left_with("exit,dir=FOLDER", "exit");
    assert_eq!(left.reasons(), ["exit"; 2]);
}

#[test]
fn what_is_wrong_is_said_once_and_nothing_is_written() {
    for (value, said) in [
        (
            "exit,threshold=8O%,dir=FOLDER",
            "\"threshold=8O%\" is wrong",
        ),
        ("exit,,dir=FOLDER", "there is no \"\""),
        ("exit,dir=/dev/null", "cannot write"),
        ("dir=FOLDER", "nothing to do"),
        ("", "there is no \"\""),
    ] {
        let left = left_with(value, "plain");
        let stderr = left.ran.stderr();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with("heapprof: HEAPPROF_DUMP=") && stderr.contains(said),
            "{stderr}"
        );
        assert_eq!(left.names(), [""; 0]);
    }
}

/// Run with other rights than its user's, a program takes no orders.
#[test]
fn at_secure() {
    const NOBODY: u32 = 65_534;
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        println!("not tested: only root can make a program run with other rights");
        return;
    }
    let (_folder, path) = heapprof_hostile::folder(env!("CARGO_TARGET_TMPDIR"));
    let allow = |path: &Path, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, permissions).expect("it is ours");
    };
    allow(&path, 0o755);
    let dumps = path.join("dumps");
    fs::create_dir(&dumps).expect("it can be made");
    allow(&dumps, 0o777);
    let program = path.join("program");
    fs::copy(PROGRAM, &program).expect("it can be copied");
    chown(&program, Some(NOBODY), Some(NOBODY)).expect("we are root");

    let run = |command: &mut Command| {
        let dump = format!("exit,dir={}", dumps.display());
        let status = command
            .args(["plain", "unused"])
            .env("HEAPPROF_DUMP", dump)
            .status();
        assert!(status.expect("it can be run").success());
        heapprof_triggers::names(&dumps).len()
    };
    // By someone who has its owner's rights, and so made its owner's.
    allow(&program, 0o755);
    assert_eq!(run(Command::new(&program).uid(NOBODY).gid(NOBODY)), 1);
    allow(&program, 0o6755);
    assert_eq!(run(&mut Command::new(&program)), 1, "another dump");
}
