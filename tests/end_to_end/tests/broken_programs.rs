//! Programs in a bad way: stripped, deleted, out of disk, wrongly configured.
//! Each gets a clear error or a correct profile, and goes on.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use heapprof_end_to_end::{Profile, Reader, Values};
use tempfile::TempDir;

const VICTIM: &str = env!("CARGO_BIN_EXE_victim");

/// The `victim` program in a folder of its own.
struct Victim {
    folder: TempDir,
}

impl Victim {
    // The program is linked, not copied: while this process has a file open for
    // writing, a child that another thread forks has it too, and until that
    // child is another program nobody can run the file.
    fn new() -> Self {
        let victim = Self::missing();
        fs::hard_link(VICTIM, victim.program()).expect("the folder is on the same disk");
        victim
    }

    fn stripped(option: &str) -> Self {
        let victim = Self::missing();
        let mut strip = Command::new("strip");
        let status = strip
            .args([option, VICTIM, "-o"])
            .arg(victim.program())
            .status();
        assert!(
            status
                .expect("strip is installed by `cargo xtask test`")
                .success()
        );
        victim
    }

    fn missing() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self {
            folder: folder.expect("a folder can be made"),
        }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("victim")
    }

    fn profile(&self) -> PathBuf {
        self.folder.path().join("heap.pb.gz")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command
            .arg(self.profile())
            .args(args)
            .env_remove("HEAPPROF_SAMPLE_INTERVAL");
        command
    }

    /// Runs it and decodes the profile that it wrote.
    fn dump(&self, args: &[&str]) -> Profile {
        let output = self.command(args).output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(stderr(&output), "", "nothing to complain about");
        Profile::decode(&fs::read(self.profile()).expect("the profile was written"))
    }
}

fn run_with_interval(value: &str) -> Output {
    let victim = Victim::new();
    let mut command = victim.command(&[]);
    command
        .env("HEAPPROF_SAMPLE_INTERVAL", value)
        .output()
        .expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `victim_holds` holds: its blocks, and the vector they are in.
fn held() -> Values {
    Values::held(16, 1_000) + Values::held(1, 16 * size_of::<heapprof_end_to_end::Block>())
}

#[test]
fn an_unharmed_program_is_the_measure() {
    let profile = Victim::new().dump(&[]);
    assert_eq!(profile.sum("victim::victim_holds"), held());
    let stacks = profile.stacks("victim::victim_holds");
    let holds = stacks[0]
        .iter()
        .find(|frame| frame.name.contains("victim_holds"));
    let holds = holds.expect("the stack was chosen for it");
    assert!(
        holds.file.ends_with("victim.rs") && holds.line > 0,
        "{holds:?}"
    );
}

#[test]
fn without_debug_info_there_are_names_from_the_symbol_table() {
    let profile = Victim::stripped("--strip-debug").dump(&[]);
    assert_eq!(profile.sum("victim::victim_holds"), held());
    for frame in profile.stacks("victim::victim_holds").concat() {
        assert!(
            !frame.file.ends_with("victim.rs"),
            "no debug info tells of {frame:?}"
        );
    }
}

#[test]
fn a_stripped_program_gives_addresses_that_add_up() {
    let whole = Victim::new().dump(&[]);
    let victim = Victim::stripped("--strip-all");
    let profile = victim.dump(&[]);
    assert_eq!(profile.total(), whole.total());
    assert_eq!(
        profile.sample_count("victim_holds"),
        0,
        "no name is left to be known"
    );
    let comments = profile.comments();
    assert!(
        comments.iter().any(|line| line.contains("no names from")),
        "{comments:?}"
    );
    assert_eq!(profile.misplaced_addresses(), [0_u64; 0]);
    for reader in Reader::both() {
        let top = reader.top("alloc_space", [victim.profile()]);
        let flat: i64 = top.values().map(|line| line.flat).sum();
        assert_eq!(flat, profile.total().alloc_bytes, "{top:?}");
    }
}

#[test]
fn a_deleted_program_is_symbolized_all_the_same() {
    let victim = Victim::new();
    let profile = victim.dump(&["delete-own-file"]);
    assert!(!victim.program().exists());
    assert_eq!(profile.sum("victim::victim_holds"), held());
    let main = &profile.mappings()[0].file;
    assert_eq!(Path::new(main), victim.program(), "without \" (deleted)\"");
}

#[test]
fn pprof_symbolizes_addresses_with_the_binary_at_hand() {
    let victim = Victim::new();
    let profile = victim.dump(&["unsymbolized"]);
    assert_eq!(profile.sample_count("victim_holds"), 0);
    let main = &profile.mappings()[0];
    assert!(!main.build_id.is_empty() && !main.has_functions, "{main:?}");

    // In another folder than it ran in, where its build id tells that it is the one.
    let elsewhere =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    fs::rename(victim.program(), elsewhere.path().join("victim")).expect("it can be moved");
    let reader = Reader::standalone().env("PPROF_BINARY_PATH", elsewhere.path());
    let top = reader.top("inuse_space", [victim.profile()]);
    let line = top.get("victim::victim_holds");
    let line = line.unwrap_or_else(|| panic!("victim_holds is not among {top:#?}"));
    assert_eq!(line.cumulative, held().in_use_bytes);
}

#[test]
fn a_full_disk_leaves_the_earlier_file_and_no_other() {
    let victim = Victim::new();
    fs::write(victim.profile(), "earlier").expect("the folder is writable");
    let output = victim
        .command(&["file-limit=512"])
        .output()
        .expect("the program starts");

    assert!(!output.status.success());
    let path = victim.profile();
    let expected = format!("error: cannot write the profile to {}: ", path.display());
    assert!(stderr(&output).starts_with(&expected), "{output:?}");
    assert!(
        stdout(&output).contains("held 16000"),
        "the program goes on: {output:?}"
    );
    assert_eq!(fs::read(&path).expect("it is still there"), b"earlier");
    let mut names: Vec<_> = fs::read_dir(victim.folder.path())
        .expect("the folder is readable")
        .map(|entry| entry.expect("so are its entries").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["heap.pb.gz", "victim"], "no temporary file is left");
}

#[test]
fn profiles_are_for_their_owner_alone() {
    let victim = Victim::new();
    victim.dump(&[]);
    let mode = fs::metadata(victim.profile())
        .expect("it was written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_environment_overrides_the_interval_that_was_built_in() {
    for (value, interval) in [("0", 0), ("1", 1), ("524288", 524_288)] {
        let output = run_with_interval(value);
        assert!(output.status.success(), "{output:?}");
        assert!(
            stdout(&output).contains(&format!("interval {interval}\n")),
            "{output:?}"
        );
        assert!(
            stdout(&output).contains("invalid environment false"),
            "{output:?}"
        );
    }
}

#[test]
fn an_interval_that_is_none_is_answered_by_one_line() {
    for value in [
        "half",
        "",
        "-1",
        "1.5",
        "18446744073709551615",
        "99999999999999999999",
    ] {
        let output = run_with_interval(value);
        assert!(output.status.success(), "the program goes on: {output:?}");
        let complaint = stderr(&output);
        assert!(
            complaint.contains("HEAPPROF_SAMPLE_INTERVAL"),
            "{value:?}: {output:?}"
        );
        assert_eq!(complaint.lines().count(), 1, "{value:?}: {output:?}");
        assert!(
            stdout(&output).contains("interval 1\n"),
            "as built in: {output:?}"
        );
        assert!(
            stdout(&output).contains("invalid environment true"),
            "{output:?}"
        );
    }
}
