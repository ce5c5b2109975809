//! Where no call frame information is read: the `backtrace` crate. It unwinds by the
//! platform's own means, which may take the loader's lock or allocate (under
//! the busy guard), at about 160 ns a frame.
#![allow(clippy::disallowed_types)]

use std::sync::Arc;

use crate::module::Module;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd};

pub(super) fn walk(out: &mut StackBuffer) {
    out.end = StackEnd::Root;
    // SAFETY: other threads may unwind meanwhile, which the platforms' unwinders
    // allow; `backtrace`'s own lock is for symbols, and none are asked for.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let pushed = out.push(ReturnAddress(frame.ip().addr() as u64));
            if !pushed {
                out.end = StackEnd::TooDeep;
            }
            pushed
        });
    }
}

/// The `backtrace` crate finds modules by itself.
pub(crate) fn refresh(_process_generation: u64) -> Vec<Arc<Module>> {
    Vec::new()
}
