//! What the tests of hard conditions share: running a program that lives
//! through one of them, and reading what it left behind.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod denied;
pub mod exhausted;
pub mod plugin;
pub mod stress;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program of this package that ran to its end.
#[derive(Debug)]
pub struct Ran {
    /// How it ended and what it printed.
    pub output: Output,
}

impl Ran {
    /// Runs `program` with `arguments`, at the interval that it was built with.
    pub fn of(program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        Self::command(Command::new(program.as_ref()).args(arguments))
    }

    /// Runs a command that was prepared otherwise.
    pub fn command(command: &mut Command) -> Self {
        command.env_remove("HEAPPROF_SAMPLE_INTERVAL");
        let output = command.output().expect("the program can be started");
        Self { output }
    }

    /// What it printed to standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it printed to standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Fails the test, with everything that was printed, unless it ended well.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(
            self.output.status.success(),
            "{}\n{}\n{}",
            self.output.status,
            self.stdout(),
            self.stderr()
        );
        self
    }
}

/// A folder that is removed at the end, on the disk that cargo builds on.
///
/// # Panics
/// If none can be made.
pub fn folder(target_tmpdir: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(target_tmpdir).expect("a folder can be made");
    let path = folder.path().to_owned();
    (folder, path)
}
