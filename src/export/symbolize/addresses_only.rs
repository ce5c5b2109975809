#![forbid(unsafe_code)]
//! No symbolization: the feature `symbolize` is off.

use super::{Found, Strings, Symbols};
use crate::module::Module;

/// Nothing.
pub(super) fn resolve(_: Option<&Module>, _: &[u64], _: Symbols, _: &mut Strings) -> Found {
    Err(None)
}
