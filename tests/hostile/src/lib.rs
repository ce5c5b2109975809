//! What the tests of hard conditions share: running a program that lives
//! through one of them, and reading what it left behind.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod denied;
pub mod ended;
pub mod exhausted;
pub mod plugin;
pub mod posix;
pub mod signal_safe;
pub mod stress;
#[cfg(target_os = "linux")]
pub mod timer;

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use heapprof_end_to_end::{Profile, scale};

/// Nothing here takes a tenth of this. What takes longer waits for something
/// that will never happen.
const TIME_LIMIT: Duration = Duration::from_secs(120);

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
    ///
    /// # Panics
    /// If it does not end: a deadlock is a failure, not a wait.
    pub fn command(command: &mut Command) -> Self {
        let mut child = command
            .env_remove("HEAPPROF_SAMPLE_INTERVAL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: what it leaves behind ends with it.
            .process_group(0)
            .spawn()
            .expect("the program can be started");
        let stdout = read_aside(child.stdout.take());
        let stderr = read_aside(child.stderr.take());
        let pid = i32::try_from(child.id()).expect("process ids are small");
        let limit = TIME_LIMIT * u32::try_from(scale()).expect("scales are small");
        let status = ended::within(limit, || child.try_wait().expect("it is our child"));
        if status.is_none() {
            // SAFETY: signals the group made above, whose leader was not waited for.
            unsafe { libc::kill(-pid, libc::SIGKILL) };
        }
        let output = Output {
            status: status.unwrap_or_else(|| child.wait().expect("it is our child")),
            stdout: stdout.join().expect("pipes can be read"),
            stderr: stderr.join().expect("pipes can be read"),
        };
        let ran = Self { output };
        assert!(status.is_some(), "{command:?} hangs\n{ran}");
        ran
    }

    /// What it printed to standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it printed to standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The number that it printed on a line of its own, after `name`.
    ///
    /// # Panics
    /// If it printed none.
    #[track_caller]
    pub fn figure(&self, name: &str) -> i64 {
        let stdout = self.stdout();
        let value = stdout
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no figure {name}\n{self}"))
    }

    /// Fails the test, with everything that was printed, unless it ended well.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.output.status.success(), "{self}");
        self
    }

    /// Fails the test unless this signal ended it.
    #[track_caller]
    pub fn expect_signal(self, signal: i32) -> Self {
        assert_eq!(self.output.status.signal(), Some(signal), "{self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status: ExitStatus = self.output.status;
        write!(f, "{status}\n{}\n{}", self.stdout(), self.stderr())
    }
}

/// Reads to the end beside everything else: a full pipe would stop the program.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("the pipe was asked for");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("pipes can be read");
        bytes
    })
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

/// The profile that a program wrote into `folder`.
///
/// # Panics
/// If there is none, or it is malformed.
#[track_caller]
pub fn profile(folder: &Path, name: &str) -> Profile {
    let path = folder.join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Profile::decode(&bytes)
}
