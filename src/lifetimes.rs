#![forbid(unsafe_code)]
//! How long what was freed had lived, record by record.

use std::collections::BTreeMap;

use crate::record::lifetimes::{CLASSES, Freed};
use crate::record::recorder::RECORDER;

/// What was freed at each record, by class.
#[derive(Debug, Default)]
pub(crate) struct Lifetimes(BTreeMap<usize, [Freed; CLASSES]>);

impl Lifetimes {
    /// Reads every record's; allocations go on meanwhile. All of it is among what was
    /// allocated and freed by a snapshot that is taken afterwards. The caller is busy.
    pub(crate) fn collect() -> Self {
        let nodes = RECORDER.nodes();
        let freed = nodes.filter_map(|node| {
            let record = std::ptr::from_ref(node).addr();
            Some((record, node.lifetimes.read()?))
        });
        Self(freed.collect())
    }

    /// Of a record, the shortest lives first.
    pub(crate) fn of(&self, record: usize) -> [Freed; CLASSES] {
        self.0.get(&record).copied().unwrap_or_default()
    }
}

#[cfg(test)]
impl FromIterator<(usize, [Freed; CLASSES])> for Lifetimes {
    fn from_iter<T: IntoIterator<Item = (usize, [Freed; CLASSES])>>(freed: T) -> Self {
        Self(freed.into_iter().collect())
    }
}
