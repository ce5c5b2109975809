//! Addresses to frames.
//!
//! Debug information is mapped, read and given back within one call. What was
//! found stays in a bounded [`table`], so that a program dumped again and again
//! pays once for each address.

use crate::export::Symbols;
use crate::export::frame::{Frame, Frames};
use crate::module::Module;

#[cfg(all(feature = "symbolize", cfi))]
#[path = "elf/mod.rs"]
mod backend;
#[cfg(all(feature = "symbolize", not(cfi)))]
#[path = "portable.rs"]
mod backend;
#[cfg(not(feature = "symbolize"))]
#[path = "addresses_only.rs"]
mod backend;
mod strings;
mod table;

#[cfg(all(feature = "symbolize", cfi))]
pub(crate) use backend::locate;
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
    let mut frames = vec![None; addresses.len()];
    let mut problem = None;
    if symbols != Symbols::None {
        let key = table::FileKey::new(module, symbols);
        table::look_up(&key, module, addresses, &mut frames);
        problem = resolve_unknown(&key, module, addresses, symbols, &mut frames);
    }
    Resolution {
        frames: frames.into_iter().map(Option::unwrap_or_default).collect(),
        problem,
    }
}

/// Fills in what the table did not know, and says why if that is not possible.
fn resolve_unknown(
    key: &table::FileKey,
    module: Option<&Module>,
    addresses: &[u64],
    symbols: Symbols,
    frames: &mut [Option<Frames>],
) -> Option<String> {
    let unknown: Vec<usize> = (0..frames.len()).filter(|&i| frames[i].is_none()).collect();
    if unknown.is_empty() {
        return None;
    }
    let asked: Vec<u64> = unknown.iter().map(|&i| addresses[i]).collect();
    let found = match backend::resolve(module, &asked, symbols, &mut Strings::default()) {
        Ok(found) => found.into_iter().map(Frames::from).collect::<Vec<_>>(),
        Err(problem) => return problem,
    };
    table::keep(key, module, asked.into_iter().zip(&found));
    for (i, found) in unknown.into_iter().zip(found) {
        frames[i] = Some(found);
    }
    None
}

/// One entry for each address, or nothing for all of them and perhaps why.
type Found = Result<Vec<Vec<Frame>>, Option<String>>;

#[cfg(all(test, feature = "symbolize", cfi))]
mod tests {
    use super::*;
    use crate::export::testing::main_program;

    #[test]
    fn what_was_found_is_not_looked_up_again() {
        let module = main_program();
        let address = what_was_found_is_not_looked_up_again as fn() as usize as u64;
        let first = symbolize(Some(&module), &[address], Symbols::Full);
        assert!(!first.frames[0].is_empty());

        // The same build, from a file that is not there.
        let gone = Module {
            path: "/no/such/file".into(),
            is_main_program: false,
            ..(*module).clone()
        };
        let again = symbolize(Some(&gone), &[address], Symbols::Full);
        assert_eq!((&again.frames, again.problem), (&first.frames, None));
        let others = symbolize(Some(&gone), &[address, address + 1], Symbols::Full);
        assert!(others.problem.is_some());
        assert_eq!(others.frames[0], first.frames[0]);
    }
}
