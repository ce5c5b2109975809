//! Addresses to frames.
//!
//! Debug information is mapped, read and given back within one call. What was
//! found stays in a bounded [`table`], so that a program dumped again and again
//! pays once for each address.

use crate::export::Symbols;
use crate::export::frame::{Frame, Frames};
use crate::module::Module;

#[cfg(all(
    feature = "symbolize",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "elf/mod.rs"]
mod backend;
#[cfg(all(
    feature = "symbolize",
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))
))]
#[path = "portable.rs"]
mod backend;
#[cfg(not(feature = "symbolize"))]
#[path = "addresses_only.rs"]
mod backend;
mod strings;
mod table;

pub(crate) use table::resolved_frames_bytes;

use strings::Strings;

/// What was found out about the addresses asked for.
#[derive(Debug)]
pub(crate) struct Resolution {
    /// One entry for each address, in their order.
    pub(crate) frames: Vec<Frames>,
    /// Why there are no names, if that is worth telling.
    pub(crate) problem: Option<String>,
}

/// Names for addresses of one module, or of none.
///
/// `addresses` lie inside call instructions, as mapped in this process, sorted
/// and without duplicates.
pub(crate) fn symbolize(
    module: Option<&Module>,
    addresses: &[u64],
    symbols: Symbols,
) -> Resolution {
    let mut frames = vec![Frames::default(); addresses.len()];
    if symbols == Symbols::None {
        return Resolution {
            frames,
            problem: None,
        };
    }

    let key = table::FileKey::new(module, symbols);
    let bias = module.map_or(0, |module| module.bias);
    table::look_up(&key, bias, addresses, &mut frames);
    let unknown: Vec<usize> = (0..frames.len())
        .filter(|&i| frames[i].is_empty())
        .collect();
    if unknown.is_empty() {
        return Resolution {
            frames,
            problem: None,
        };
    }

    let unknown_addresses: Vec<u64> = unknown.iter().map(|&i| addresses[i]).collect();
    let found = backend::resolve(module, &unknown_addresses, symbols, &mut Strings::default());
    let problem = match found {
        Ok(found) => {
            for (&i, found) in unknown.iter().zip(found) {
                frames[i] = found.into();
            }
            table::keep(
                &key,
                bias,
                unknown.iter().map(|&i| (addresses[i], &frames[i])),
            );
            None
        }
        Err(problem) => problem,
    };
    Resolution { frames, problem }
}

/// One entry for each address, or nothing for all of them and perhaps why.
type Found = Result<Vec<Vec<Frame>>, Option<String>>;
