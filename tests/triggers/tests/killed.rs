//! A program that takes memory until it is killed leaves a profile that names
//! what took it: by a control group of its own where the machine permits one,
//! otherwise by SIGKILL right after it dumped.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use heapprof_end_to_end::Reader;
use heapprof_hostile::ended::within;
use heapprof_triggers::cgroup::Cgroup;
use heapprof_triggers::names;

const PROGRAM: &str = env!("CARGO_BIN_EXE_grow_until_killed");

/// Kills it when it has dumped; the folder, and the signal that ended it.
fn kill_after_its_dump(folder: &Path) -> Option<i32> {
    let mut command = Command::new(PROGRAM);
    let mut child = command
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be started");
    let dumped = within(Duration::from_secs(30), || names(folder).into_iter().next());
    child.kill().expect("it is our child");
    assert!(dumped.is_some(), "no dump");
    child.wait().expect("it is our child").signal()
}

/// Has the kernel kill it, in this group.
fn let_it_be_killed(group: &Cgroup, folder: &Path) -> Option<i32> {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > \"$1\" && exec \"$2\" \"$3\"", "sh"]);
    command.arg(group.members()).arg(PROGRAM).arg(folder);
    command
        .stdout(Stdio::null())
        .status()
        .expect("it can be started")
        .signal()
}

/// Nothing but whole dumps is there, and each reader names the leak as the first.
fn names_the_leak(folder: &Path) {
    let dumps = names(folder);
    assert!(
        !dumps.is_empty() && dumps.iter().all(|name| name.ends_with(".resident.pb.gz")),
        "{dumps:?}"
    );
    for (reader, profile) in [
        (Reader::standalone(), folder.join(&dumps[0])),
        (
            Reader::both().into_iter().next().expect("two"),
            named(&folder.join(&dumps[0])),
        ),
    ] {
        let top = reader.top("inuse_space", [&profile]);
        let leak = top
            .iter()
            .find(|(name, _)| name.ends_with("remember_pages"));
        let total: i64 = top.values().map(|line| line.flat).sum();
        let leaked = leak.unwrap_or_else(|| panic!("{top:?}")).1.cumulative;
        assert!(leaked * 10 > total * 6, "{leaked} of {total}");
        println!("{}", reader.run([Path::new("-top"), &profile]));
    }
}

fn named(profile: &Path) -> std::path::PathBuf {
    let bytes = fs::read(profile).expect("it is there");
    let named = heapprof::symbolize_pprof(&bytes, &[]).expect("it is a profile");
    let decoded = heapprof_end_to_end::Profile::decode(&named);
    let stacks = decoded.stacks("remember_pages");
    let frame = stacks
        .iter()
        .flatten()
        .find(|frame| frame.name.ends_with("remember_pages"));
    let frame = frame.expect("stacks were chosen by it");
    assert!(
        frame.file.ends_with("grow_until_killed.rs") && frame.line > 0,
        "{frame:?}"
    );
    let first = &stacks[0][0];
    assert!(
        !first.name.contains("__rust_alloc"),
        "the allocator is left out: {first:?}"
    );
    let path = profile.with_extension("named");
    fs::write(&path, named).expect("it can be written");
    path
}

#[test]
fn by_its_control_group() {
    let Some(group) = Cgroup::with_limit(256 << 20) else {
        println!("not tested: no control group can be made here");
        return;
    };
    let (_folder, path) = heapprof_hostile::folder(env!("CARGO_TARGET_TMPDIR"));
    let folder = path.join("dumps");
    assert_eq!(let_it_be_killed(&group, &folder), Some(libc::SIGKILL));
    names_the_leak(&folder);
}

#[test]
fn right_after_its_dump() {
    let (_folder, path) = heapprof_hostile::folder(env!("CARGO_TARGET_TMPDIR"));
    let folder = path.join("dumps");
    assert_eq!(kill_after_its_dump(&folder), Some(libc::SIGKILL));
    names_the_leak(&folder);
}
