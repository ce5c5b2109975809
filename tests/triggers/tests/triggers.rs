//! Each way to be dumped without being asked, in a process of its own.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;

use heapprof_end_to_end::Values;
use heapprof_triggers::{Left, names};

fn left(mode: &str) -> Left {
    Left::by(
        env!("CARGO_BIN_EXE_triggered"),
        mode,
        env!("CARGO_TARGET_TMPDIR"),
    )
}

/// Of a program that ended well.
fn left_well(mode: &str) -> Left {
    let left = left(mode);
    assert!(left.ran.output.status.success(), "{}", left.ran);
    assert_eq!(left.ran.stderr(), "", "nothing to complain about");
    left
}

fn held() -> Values {
    Values::held(1, 7_777)
}

#[test]
fn main_returns() {
    let left = left_well("exit");
    assert_eq!(left.reasons(), ["exit"]);
    let profile = left.profile();
    // `main` is over, and what it held is freed.
    assert_eq!(
        profile.sum("triggered::main_holds"),
        Values::partly_freed(1, 1, 7_777)
    );
    let frames = &profile.stacks("triggered::main_holds")[0];
    let main = frames.iter().find(|frame| frame.name == "triggered::main");
    let main = main.expect("it is called from there");
    assert!(
        main.file.ends_with("triggered/main.rs") && main.line > 0,
        "{main:?}"
    );
    // PROGRAM.PID.TIME.REASON.pb.gz
    let name = &left.names()[0];
    let parts: Vec<&str> = name.split('.').collect();
    assert_eq!(parts.len(), 6, "{name}");
    assert_eq!(
        (parts[0], parts[2].len()),
        ("triggered", "20261124T172227-123456Z".len())
    );
}

#[test]
fn the_program_exits_amid_its_work() {
    let left = left("process-exit");
    assert_eq!(left.ran.output.status.code(), Some(3), "{}", left.ran);
    assert_eq!(left.profile().sum("triggered::main_holds"), held());
}

#[test]
fn stopped_triggers_write_nothing() {
    assert_eq!(left_well("exit-stopped").names(), [""; 0]);
}

#[test]
fn hooks_are_called_by_the_helper_at_exit_too() {
    let left = left_well("exit-with-hooks");
    assert_eq!(left.reasons(), ["exit"]);
    let marker = fs::read_to_string(left.folder.with_extension("marker"));
    assert_eq!(marker.expect("the hook wrote it"), "heapprof");
}

#[test]
fn a_hook_may_end_the_program() {
    let left = left("exit-in-a-hook");
    assert_eq!(left.ran.output.status.code(), Some(4), "{}", left.ran);
    assert_eq!(left.reasons(), ["periodic", "exit"]);
}

#[test]
fn what_is_written_is_its_owners() {
    let left = left_well("permissions");
    assert_eq!(left.ran.stdout(), "folder 700\nfile 600\n");
}

#[test]
fn a_signal_dumps_each_time() {
    let left = left("signal");
    assert_eq!(
        left.ran.output.status.signal(),
        Some(libc::SIGUSR2),
        "{}",
        left.ran
    );
    assert_eq!(left.reasons(), ["signal"; 3]);
    assert!(
        left.ran
            .stdout()
            .contains("already handles or ignores signal"),
        "{}",
        left.ran
    );
}

#[test]
fn a_signal_that_is_handled_is_left_alone() {
    let left = left_well("signal-taken");
    let stdout = left.ran.stdout();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{stdout}");
    assert!(
        lines[..2]
            .iter()
            .all(|line| line.contains("already handles or ignores"))
    );
    assert!(
        lines[2..]
            .iter()
            .all(|line| line.contains("cannot be used; SIGUSR1")),
        "{stdout}"
    );
    assert_eq!(left.names(), [""; 0]);
}

#[test]
fn again_and_again() {
    let left = left_well("periodic");
    let reasons = left.reasons();
    // Some more came after its handle was gone.
    assert!(
        reasons.len() > 3 && reasons.iter().all(|reason| reason == "periodic"),
        "{reasons:?}"
    );
}

#[test]
fn resident_memory_dumps_at_each_step() {
    let left = left_well("resident-steps");
    let figures = ["below", "steps", "again"].map(|name| left.ran.figure(name));
    assert_eq!(figures, [0, 2, 3], "{}", left.ran);
    assert_eq!(left.reasons(), ["resident"; 3]);
}

#[test]
fn steps_that_follow_too_soon_wait() {
    let left = left_well("rate-limit");
    assert_eq!(left.ran.figure("dumps"), 1, "{}", left.ran);
    assert_eq!(left.reasons(), ["resident"]);
}

/// Written by the flight recorder: addresses, mappings with build ids, exact figures.
#[test]
fn memory_in_use_counts_even_where_it_is_not_resident() {
    let left = left_well("in-use");
    assert_eq!(left.reasons(), ["in_use"]);
    let profile = left.profile();
    assert_eq!(profile.sum_of_size(8_192), held());
    assert!(profile.total().in_use_bytes > 1_100 << 20);
    assert_eq!(profile.misplaced_addresses(), [0_u64; 0]);
    let main = &profile.mappings()[0];
    assert!(
        main.file.ends_with("/triggered") && !main.build_id.is_empty(),
        "{main:?}"
    );
    assert!(!main.has_functions);
    assert!(
        profile
            .comments()
            .iter()
            .any(|comment| comment.contains("own memory"))
    );
    assert_eq!(profile.period(), ("space", "bytes", 1));
}

#[test]
fn the_newest_files_are_kept_and_no_others_touched() {
    let names = left_well("retention").names();
    let (dumps, others): (Vec<_>, Vec<_>) = names
        .into_iter()
        .partition(|name| name.ends_with("periodic.pb.gz"));
    assert_eq!(
        (dumps.len(), &*others),
        (3, &["stranger.pb.gz".to_owned()][..])
    );
}

/// Nothing half-written is there, one line is printed, and the next works.
#[track_caller]
fn is_told_once_and_tried_again(left: &Left, problem: &str) {
    assert!(left.ran.output.status.success(), "{}", left.ran);
    let stderr = left.ran.stderr();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("heapprof: cannot write the profile to"),
        "{stderr}"
    );
    assert!(stderr.contains(problem), "{stderr}");
    assert!(
        stderr.contains("trying again at the next trigger"),
        "{stderr}"
    );
    for name in left.names() {
        heapprof_hostile::profile(&left.folder, &name);
    }
    assert!(!left.names().is_empty());
}

#[test]
fn a_file_that_may_not_grow_is_told_once_and_tried_again() {
    for mode in ["no-room", "no-room-in-flight"] {
        is_told_once_and_tried_again(&left(mode), "File too large");
    }
}

#[test]
fn a_full_disk_is_told_once_and_tried_again() {
    for mode in ["full-disk", "full-disk-in-flight"] {
        let left = left(mode);
        let stdout = left.ran.stdout();
        if stdout.contains("no disk can be mounted here") {
            println!("not tested: {stdout}");
            return;
        }
        is_told_once_and_tried_again(&left, "No space left on device");
    }
}

#[test]
fn a_forked_child_has_dumps_of_its_own_or_none() {
    let left = left_well("fork");
    assert_eq!(
        left.ran.figure("dumps"),
        0,
        "the child's signals are its own"
    );
    assert_eq!(left.reasons(), ["signal", "exit"]);
    let own_pid = format!("triggered.{}.", left.ran.figure("pid"));
    assert!(
        left.names().iter().all(|name| name.starts_with(&own_pid)),
        "{:?}",
        left.names()
    );
    let of_child = names(&left.folder.with_extension("child"));
    assert_eq!(of_child.len(), 2, "{of_child:?}");
    assert!(
        of_child.iter().all(|name| !name.starts_with(&own_pid)),
        "{of_child:?}"
    );
}

#[test]
fn a_hook_that_panics_is_counted() {
    let left = left("hook-panics");
    assert!(left.ran.output.status.success(), "{}", left.ran);
    assert!(
        left.ran.stderr().contains("a hook of `on_dump` panicked"),
        "{}",
        left.ran
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let left = left_well("refused");
    let stdout = left.ran.stdout();
    let expected = [
        "nothing to do",
        "0 ms",
        "0%+5%",
        "5+0",
        "cannot write",
        "threads 1",
    ];
    assert_eq!(stdout.lines().count(), expected.len(), "{stdout}");
    for (line, expected) in stdout.lines().zip(expected) {
        assert!(line.contains(expected), "{line}");
    }
}
