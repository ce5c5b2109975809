#![forbid(unsafe_code)]
//! One dump, and the word of it.

use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::files::{Folder, Reason};
#[cfg(target_os = "linux")]
use super::reserved_file::ReservedFile;
use super::status::TriggerStatus;
use crate::error::Error;
use crate::export::{PprofOptions, Symbols};
use crate::snapshot::Snapshot;

/// Where dumps go, how they are written and what became of them.
#[derive(Debug)]
pub(super) struct Dumper {
    pub(super) folder: Folder,
    pub(super) symbols: Symbols,
    status: Mutex<TriggerStatus>,
}

impl Dumper {
    pub(super) fn new(folder: Folder, symbols: Symbols) -> Self {
        Self {
            folder,
            symbols,
            status: Mutex::default(),
        }
    }

    pub(super) fn status<R>(&self, f: impl FnOnce(&mut TriggerStatus) -> R) -> R {
        f(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes an ordinary profile. The file's path, if there is one now.
    pub(super) fn dump(&self, reason: Reason) -> Option<PathBuf> {
        self.report(Instant::now(), self.write(reason))
    }

    fn write(&self, reason: Reason) -> Result<PathBuf, Error> {
        let options = PprofOptions::default().symbols(self.symbols);
        let bytes = Snapshot::take()?.to_pprof(options);
        let path = self.folder.file(reason);
        match write_whole(&path, &bytes) {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// Keeps what became of a dump that began at `start`, and removes older ones.
    pub(super) fn report(&self, start: Instant, result: Result<PathBuf, Error>) -> Option<PathBuf> {
        let took = start.elapsed();
        match result {
            Ok(path) => {
                self.status(|status| status.written(&path, took));
                // What cannot be removed now is looked at again after the next dump.
                let _ = self.folder.prune();
                Some(path)
            }
            Err(error) => {
                if self.status(|status| status.failed(&error)) {
                    say(&format!("{error}; trying again at the next trigger"));
                }
                None
            }
        }
    }
}

/// The file is not seen before it is whole, not even under another name.
#[cfg(target_os = "linux")]
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = ReservedFile::open(path)?;
    file.write_all(bytes)?;
    file.sync()?;
    file.publish(path)
}

#[cfg(not(target_os = "linux"))]
use crate::atomic_file::write as write_whole;

/// One line on stderr, if there is one.
pub(super) fn say(what: &str) {
    let _ = io::stderr().write_all(format!("heapprof: {what}\n").as_bytes());
}
