#![forbid(unsafe_code)]
//! What became of the dumps.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;

/// What the dumps of one [`Triggers`](super::Triggers) came to so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TriggerStatus {
    /// Files written.
    pub dumps: u64,
    /// Dumps that could not be written. Each trigger tries again; the first
    /// failure after a success is said on stderr.
    pub failed_dumps: u64,
    /// Hooks that panicked.
    pub hook_panics: u64,
    /// The file written last.
    pub last_file: Option<PathBuf>,
    /// From when its trigger was noticed until the file was complete.
    pub last_file_took: Duration,
    /// What went wrong last. `None` again after the next file.
    pub last_error: Option<String>,
}

impl TriggerStatus {
    pub(super) fn written(&mut self, file: &Path, took: Duration) {
        self.dumps += 1;
        self.last_file = Some(file.to_path_buf());
        self.last_file_took = took;
        self.last_error = None;
    }

    /// Is this news?
    pub(super) fn failed(&mut self, error: &Error) -> bool {
        self.failed_dumps += 1;
        self.last_error.replace(error.to_string()).is_none()
    }
}
