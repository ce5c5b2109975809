//! Unwind sections: where the loader mapped them, or a copy.
#![allow(clippy::disallowed_types)]

use std::ops::Deref;
use std::sync::Arc;

/// See the module's description.
#[derive(Clone, Debug)]
pub(super) enum Sections {
    /// Of an image that is there whenever they are read.
    Mapped(&'static [u8]),
    Copied(Arc<[u8]>),
}

impl Deref for Sections {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}
