#![forbid(unsafe_code)]
//! The flight recorder: a dump that is there before the process is killed.
//!
//! Everything that could take time or memory was done before: the file is open,
//! buffers are there, and their pages have been written to. What is left is to
//! read the tables, write, and give the file its name. Names are looked up later,
//! by whoever reads the profile. The file is not forced to the disk: it outlives
//! the process, not the machine.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::{Folder, Reason};
use super::reserved_file::ReservedFile;
use crate::error::Error;
use crate::export::stream::Stream;
use crate::module::Module;

/// See the module's description.
#[derive(Debug)]
pub(super) struct FlightRecorder {
    stream: Stream,
    file: Option<ReservedFile>,
}

impl FlightRecorder {
    /// Reserves memory, and opens the first file if that is possible.
    pub(super) fn new(folder: &Folder, modules: Vec<Arc<Module>>) -> Self {
        let mut recorder = Self {
            stream: Stream::new(modules),
            file: None,
        };
        recorder.reserve(folder);
        recorder
    }

    /// Stacks are to be of these modules.
    pub(super) fn update(&mut self, modules: Vec<Arc<Module>>) {
        self.stream.update(modules);
    }

    /// Opens the file for the next dump. If it cannot be, the dump tries again.
    pub(super) fn reserve(&mut self, folder: &Folder) {
        if self.file.is_none() {
            self.file = ReservedFile::open(&folder.file(Reason::Resident)).ok();
        }
    }

    /// Writes a dump. [`reserve`](Self::reserve) is for afterwards.
    pub(super) fn dump(&mut self, folder: &Folder, reason: Reason) -> Result<PathBuf, Error> {
        let path = folder.file(reason);
        let to_error = |source| Error::Io {
            path: path.clone(),
            source,
        };
        let mut file = match self.file.take() {
            Some(file) => file,
            None => ReservedFile::open(&path).map_err(to_error)?,
        };
        match self.stream.write(&mut file) {
            Ok(()) => file.publish(&path).map_err(to_error)?,
            Err(error) => {
                self.file = file.clear().is_ok().then_some(file);
                return Err(match error {
                    Error::Write(source) => to_error(source),
                    other => other,
                });
            }
        }
        Ok(path)
    }
}
