#![forbid(unsafe_code)]
//! The two snapshots that were taken last from the page, to be compared.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::Error;
use crate::snapshot::Snapshot;

/// Takes as much memory as two snapshots do: some hundred bytes for each stack.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<[Option<Arc<Kept>>; 2]>);

/// A snapshot, and when it was taken.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) snapshot: Snapshot,
    pub(super) at: Instant,
}

impl Snapshots {
    /// Takes one, and forgets the last but one.
    pub(super) fn take(&self) -> Result<(), Error> {
        let kept = Kept {
            snapshot: Snapshot::take()?,
            at: Instant::now(),
        };
        let mut two = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        two.rotate_left(1);
        two[1] = Some(Arc::new(kept));
        Ok(())
    }

    /// The earlier first.
    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        let two = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        two.iter().flatten().cloned().collect()
    }

    /// What changed from the one to the other, if there are two.
    pub(super) fn growth(&self) -> Option<Snapshot> {
        match &*self.all() {
            [earlier, later] => Some(later.snapshot.since(&earlier.snapshot)),
            _ => None,
        }
    }
}
