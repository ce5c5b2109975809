//! The kernel says no: calls denied by a sandbox, and no `/proc`. The program
//! goes on, what is lost is counted and said, and the dump is a profile.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use heapprof_end_to_end::{Block, Profile, Values};
use heapprof_hostile::Ran;
use heapprof_hostile::denied::{FILES, GROUPS, NAMES, TABLES};

const PROGRAM: &str = env!("CARGO_BIN_EXE_denied");

/// What became of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Whole,
    /// Addresses only, and the profile says so.
    NoNames,
    /// The main thread's stack has no known end: stacks that go beyond a page of it
    /// are cut there.
    SomeCutStacks,
    /// Both.
    NoNamesSomeCutStacks,
    /// No table could be made: everything is lost, and the profile says so.
    AllLost,
}

/// With these calls denied.
fn command(denied: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("DENIED", denied.join(","));
    command
}

/// Runs it and returns its profile.
fn profile_of(command: &mut Command) -> Profile {
    let ran = Ran::command(command).expect_success();
    assert_eq!(ran.stderr(), "", "nothing to complain about");
    Profile::decode(&ran.output.stdout)
}

fn held() -> Values {
    Values::held(100, 1_000) + Values::held(1, 100 * size_of::<Block>())
}

/// The first one was freed before.
fn by_thread() -> Values {
    Values::partly_freed(2, 1, 70_000)
}

fn check(profile: &Profile, expected: Expected, what: &str) {
    println!("{what}: {expected:?}: {:#?}", profile.comments());
    let comments = profile.comments().concat();
    let says = |words: &str| comments.contains(words);
    assert_eq!(
        says("samples lost"),
        expected == Expected::AllLost,
        "{what}"
    );
    let may_be_cut = matches!(
        expected,
        Expected::SomeCutStacks | Expected::NoNamesSomeCutStacks
    );
    assert!(may_be_cut || !says("samples whose stack was cut"), "{what}");
    assert_eq!(
        says("no names from"),
        matches!(expected, Expected::NoNames | Expected::NoNamesSomeCutStacks),
        "{what}"
    );
    assert_eq!(profile.misplaced_addresses(), [0_u64; 0], "{what}");

    let total = profile.total();
    let truth = held() + by_thread();
    if expected == Expected::AllLost {
        assert_eq!((total.in_use_objects, total.in_use_bytes), (0, 0), "{what}");
        assert_eq!(profile.sum("[lost]"), total, "{what}");
        assert!(total.alloc_bytes >= truth.alloc_bytes, "{what}: {total:?}");
        return;
    }
    // The program holds little else.
    let rest = total.in_use_bytes - truth.in_use_bytes;
    assert!((0..65_536).contains(&rest), "{what}: {total:?}");
    assert!(
        total.in_use_objects >= truth.in_use_objects,
        "{what}: {total:?}"
    );
    match expected {
        Expected::Whole => {
            assert_eq!(profile.sum("denied::site_held"), held(), "{what}");
            assert_eq!(profile.sum("denied::site_thread"), by_thread(), "{what}");
        }
        Expected::NoNames | Expected::NoNamesSomeCutStacks => {
            assert_eq!(profile.sample_count("denied::"), 0, "{what}")
        }
        // No frame is wrong, and each object is counted once.
        Expected::SomeCutStacks => {
            let found = profile.sum("denied::site_held");
            assert!(found.in_use_objects <= held().in_use_objects, "{what}");
        }
        Expected::AllLost => unreachable!("checked above"),
    }
}

#[test]
fn each_group_of_calls_alone() {
    check(&profile_of(&mut command(&[])), Expected::Whole, "nothing");
    for group in &GROUPS {
        let expected = match group.name {
            TABLES => Expected::AllLost,
            FILES | "open" | "stat" => Expected::NoNames,
            "limits" => Expected::SomeCutStacks,
            _ => Expected::Whole,
        };
        let profile = profile_of(&mut command(&[group.name]));
        check(&profile, expected, group.name);
        let samples = profile.all();
        let mut labels = samples.iter().flat_map(|sample| &sample.labels);
        let has_names = labels.any(|(key, _)| key == "thread");
        let may_have_names = group.name != NAMES && expected != Expected::AllLost;
        assert_eq!(has_names, may_have_names, "{}", group.name);
    }
}

/// Every group but random numbers, which the standard library's tables cannot be
/// without, and but `allowed`.
fn all_but(allowed: &str) -> Vec<&'static str> {
    let names = GROUPS.iter().map(|group| group.name);
    names
        .filter(|name| *name != "random" && *name != allowed)
        .collect()
}

#[test]
fn every_group_at_once() {
    let profile = profile_of(&mut command(&all_but("")));
    check(&profile, Expected::AllLost, "everything");
    let profile = profile_of(&mut command(&all_but(TABLES)));
    check(
        &profile,
        Expected::NoNamesSomeCutStacks,
        "everything but tables",
    );
}

#[test]
fn an_interval_that_cannot_be_read_is_the_one_built_in() {
    let mut command = command(&["open"]);
    let output = command
        .env("HEAPPROF_SAMPLE_INTERVAL", "0")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let profile = Profile::decode(&output.stdout);
    assert_eq!(profile.period().2, 1);
    let comments = profile.comments().concat();
    assert!(
        comments.contains("HEAPPROF_SAMPLE_INTERVAL did not count"),
        "{comments}"
    );
}

/// Gives the program a `/proc` with nothing in it. False, and a line that says
/// so, where that is not allowed.
fn without_proc(command: &mut Command) -> bool {
    let hide = || {
        // SAFETY: changes the child alone, by system calls only.
        let failed = unsafe {
            // As root, or in a user namespace where everyone is.
            (libc::unshare(libc::CLONE_NEWNS) != 0
                && libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) != 0)
                || libc::mount(
                    std::ptr::null(),
                    c"/".as_ptr(),
                    std::ptr::null(),
                    libc::MS_REC | libc::MS_PRIVATE,
                    std::ptr::null(),
                ) != 0
                || libc::mount(
                    c"none".as_ptr(),
                    c"/proc".as_ptr(),
                    c"tmpfs".as_ptr(),
                    0,
                    std::ptr::null(),
                ) != 0
        };
        if failed {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // SAFETY: nothing but system calls between fork and exec.
    unsafe { command.pre_exec(hide) };
    let mut probe = Command::new("ls");
    // SAFETY: as above.
    unsafe { probe.arg("/proc").pre_exec(hide) };
    match probe.output() {
        Ok(output) => {
            assert!(output.stdout.is_empty(), "/proc is still there: {output:?}");
            true
        }
        Err(error) => {
            println!("NOT TESTED: /proc cannot be hidden from a child here ({error}); run as root");
            false
        }
    }
}

#[test]
fn no_proc() {
    let mut command = command(&[]);
    if without_proc(&mut command) {
        check(&profile_of(&mut command), Expected::Whole, "no /proc");
    }
}

#[test]
fn no_proc_and_every_group() {
    let mut command = command(&all_but(""));
    if without_proc(&mut command) {
        check(
            &profile_of(&mut command),
            Expected::AllLost,
            "no /proc and everything denied",
        );
    }
}
