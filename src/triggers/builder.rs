#![forbid(unsafe_code)]
//! What is to happen, as the program says it.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::running::{self, Triggers};
use super::steps::Threshold;
use crate::error::Error;
use crate::export::Symbols;
use crate::record::thread;

/// Files of this program that are kept, unless chosen otherwise.
const KEEP_FILES: NonZeroUsize = NonZeroUsize::new(16).unwrap();
const KEEP_BYTES: u64 = 256 << 20;

/// Time between two dumps on thresholds, unless chosen otherwise.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Called with every file that was written.
pub(super) type Hook = Box<dyn FnMut(&Path) + Send>;

/// When to write profiles, and where. Made by [`triggers`].
#[must_use = "nothing happens before `start`"]
pub struct TriggersBuilder {
    pub(super) when: When,
    pub(super) folder: PathBuf,
    pub(super) keep_files: NonZeroUsize,
    pub(super) keep_bytes: u64,
    pub(super) symbols: Symbols,
    pub(super) hooks: Vec<Hook>,
}

/// What a dump is written at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct When {
    pub(super) at_exit: bool,
    pub(super) signal: Option<i32>,
    pub(super) every: Option<Duration>,
    pub(super) resident: Option<Threshold>,
    pub(super) in_use: Option<Threshold>,
    pub(super) at_most_every: Duration,
}

/// Profiles that are written without being asked for: nothing yet, until it is
/// said when.
///
/// ```no_run
/// use std::time::Duration;
/// use heapprof::Threshold;
///
/// # fn main() -> Result<(), heapprof::Error> {
/// let triggers = heapprof::triggers()
///     .at_exit()
///     .every(Duration::from_secs(600))
///     .on_resident(Threshold::percent(80))   // of the container's memory, or the machine's
///     .folder("/var/tmp/profiles")
///     .on_dump(|file| println!("written: {}", file.display()))
///     .start()?;
/// // ... and whenever you want to know:
/// println!("{:?}", triggers.status());
/// # Ok(())
/// # }
/// ```
///
/// `HEAPPROF_DUMP` does the same for a program that is not built anew, see
/// [`docs/TRIGGERS.md`](https://docs.rs/crate/heapprof/latest/source/docs/TRIGGERS.md).
pub fn triggers() -> TriggersBuilder {
    TriggersBuilder {
        when: When {
            at_most_every: AT_MOST_EVERY,
            ..When::default()
        },
        folder: PathBuf::from("."),
        keep_files: KEEP_FILES,
        keep_bytes: KEEP_BYTES,
        symbols: Symbols::default(),
        hooks: Vec::new(),
    }
}

impl TriggersBuilder {
    /// At the program's normal end: when `main` returns and at
    /// [`std::process::exit`]. Not in a forked child.
    pub fn at_exit(mut self) -> Self {
        self.when.at_exit = true;
        self
    }

    /// Whenever the process gets this signal, such as `SIGUSR2` (12 on x86-64).
    /// [`start`](Self::start) refuses one that the program handles or ignores, and
    /// those that say that it is broken. The signal's handler only wakes the
    /// helper thread. Linux only.
    pub fn on_signal(mut self, signal: i32) -> Self {
        self.when.signal = Some(signal);
        self
    }

    /// Again and again, for the first time after this while. At least a
    /// millisecond.
    pub fn every(mut self, time: Duration) -> Self {
        self.when.every = Some(time);
        self
    }

    /// When resident memory reaches a threshold, and again at each further step.
    /// Percents are of the memory limit that is nearest: of a control group (what
    /// is charged to it, page cache left out), of `RLIMIT_AS` (address space),
    /// or of the machine. Written by the flight recorder: without names, within
    /// milliseconds, in memory that was reserved before. Linux only.
    pub fn on_resident(mut self, threshold: Threshold) -> Self {
        self.when.resident = Some(threshold);
        self
    }

    /// The same for memory in use, as the profiler estimates it: at the latest
    /// one second after it was reached. Linux only.
    pub fn on_in_use(mut self, threshold: Threshold) -> Self {
        self.when.in_use = Some(threshold);
        self
    }

    /// No two dumps on a threshold within this time; one second unless chosen
    /// otherwise. What is reached earlier is written when it has passed, if it
    /// still holds.
    pub fn at_most_every(mut self, time: Duration) -> Self {
        self.when.at_most_every = time;
        self
    }

    /// Where files are written: the folder that the program is in, unless chosen
    /// otherwise. Made if it is not there, for its owner only.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Keeps only the newest files of this program, whichever process wrote them:
    /// 16 unless chosen otherwise.
    pub fn keep_files(mut self, files: NonZeroUsize) -> Self {
        self.keep_files = files;
        self
    }

    /// Keeps only the newest files of this program that together have no more
    /// bytes than this (256 MiB unless chosen otherwise), but always the last.
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.keep_bytes = bytes;
        self
    }

    /// How addresses are turned into names; of dumps on thresholds they never are.
    pub fn symbols(mut self, symbols: Symbols) -> Self {
        self.symbols = symbols;
        self
    }

    /// Calls `hook` with every file that was written, on the helper thread: to
    /// send it elsewhere, for instance. Nothing else is written meanwhile but the
    /// dump at exit, which waits ten seconds for its hooks. A panic is caught and
    /// counted.
    pub fn on_dump(mut self, hook: impl FnMut(&Path) + Send + 'static) -> Self {
        let _busy = thread::busy();
        self.hooks.push(Box::new(hook));
        self
    }

    /// Makes the folder and starts. One helper thread, named `heapprof`, looks at
    /// memory ten times a second if there is a threshold; if there is nothing but a
    /// dump at exit without hooks, there is no thread.
    ///
    /// It goes on when what is returned is dropped. Several can run at once.
    ///
    /// # Errors
    /// [`Error::NotRegistered`]; [`Error::Trigger`] for what makes no sense or cannot be
    /// done here; [`Error::SignalInUse`]; [`Error::Io`] if the folder cannot be
    /// made, or cannot be written to.
    pub fn start(self) -> Result<Triggers, Error> {
        let _busy = thread::busy();
        running::start(self)
    }
}

impl fmt::Debug for TriggersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggersBuilder")
            .field("when", &self.when)
            .field("folder", &self.folder)
            .field("keep_files", &self.keep_files)
            .field("keep_bytes", &self.keep_bytes)
            .field("symbols", &self.symbols)
            .field("hooks", &self.hooks.len())
            .finish()
    }
}
