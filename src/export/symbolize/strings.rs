#![forbid(unsafe_code)]
//! Each distinct string once.

use std::collections::HashSet;
use std::sync::Arc;

/// Strings that many frames share.
#[derive(Debug, Default)]
pub(super) struct Strings {
    set: HashSet<Arc<str>>,
    bytes: usize,
}

impl Strings {
    /// The one copy of `text`.
    #[cfg(feature = "symbolize")]
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        match self.set.get(text) {
            Some(shared) => shared.clone(),
            None => self.add(text.into()),
        }
    }

    /// The same for a string that may be shared as it is.
    pub(super) fn adopt(&mut self, text: &Arc<str>) -> Arc<str> {
        match self.set.get(text) {
            Some(shared) => shared.clone(),
            None => self.add(text.clone()),
        }
    }

    fn add(&mut self, text: Arc<str>) -> Arc<str> {
        // The text, two reference counts and, as hash tables are half empty
        // after they grew, two slots.
        self.bytes += text.len() + 2 * size_of::<usize>() + 2 * size_of::<Arc<str>>();
        self.set.insert(text.clone());
        text
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
