#![forbid(unsafe_code)]
//! Frames through the `backtrace` crate, on targets without a back end of our
//! own. It keeps the debug information that it has read.

use super::{Found, Frame, Strings, Symbols};
use crate::module::Module;

/// What `backtrace` knows of each address.
pub(super) fn resolve(
    _: Option<&Module>,
    addresses: &[u64],
    symbols: Symbols,
    strings: &mut Strings,
) -> Found {
    Ok(addresses
        .iter()
        .map(|&address| resolve_one(address, symbols, strings))
        .collect())
}

fn resolve_one(address: u64, symbols: Symbols, strings: &mut Strings) -> Vec<Frame> {
    let mut frames = Vec::new();
    let Ok(address) = usize::try_from(address) else {
        return frames;
    };
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        let name = symbol.name();
        let system_name = name
            .as_ref()
            .and_then(|name| name.as_str())
            .unwrap_or_default();
        let demangled = name
            .as_ref()
            .map(|name| format!("{name:#}"))
            .unwrap_or_default();
        let file = symbol
            .filename()
            .map(|file| file.to_string_lossy())
            .unwrap_or_default();
        frames.push(Frame {
            // pprof strips generics from names that equal the linker's.
            system_name: strings.share(if system_name == demangled {
                ""
            } else {
                system_name
            }),
            name: strings.share(&demangled),
            file: strings.share(&file),
            line: symbol.lineno().unwrap_or(0),
            start_line: 0,
            function_offset: symbol
                .addr()
                .and_then(|start| u32::try_from(address.checked_sub(start.addr())?).ok()),
        });
    });
    if symbols == Symbols::Names {
        names_only(frames, strings)
    } else {
        frames
    }
}

/// The outermost function: the one that the symbol table would name.
fn names_only(mut frames: Vec<Frame>, strings: &mut Strings) -> Vec<Frame> {
    let Some(outermost) = frames.pop() else {
        return frames;
    };
    vec![Frame {
        file: strings.share(""),
        line: 0,
        start_line: 0,
        ..outermost
    }]
}
