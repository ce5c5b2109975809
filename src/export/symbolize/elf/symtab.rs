#![forbid(unsafe_code)]
//! Names from symbol tables, read in one pass: no index is built, so that the
//! memory needed depends on the addresses asked for and not on the file.

use object::LittleEndian;
use object::elf::{STT_FUNC, STT_GNU_IFUNC, Sym64};
use object::read::elf::{Sym, SymbolTable};

use super::object_file::Elf;

type Table<'data> = SymbolTable<'data, object::elf::FileHeader64<LittleEndian>>;

/// The function around each address as the linker knows it, as far as known.
///
/// `addresses` are the file's own, sorted.
pub(super) fn symbols<'data>(
    elves: &[Elf<'data>],
    addresses: &[u64],
) -> Vec<Option<Symbol<'data>>> {
    let mut best = vec![None; addresses.len()];
    for elf in elves {
        // The dynamic table has exported functions only, but survives stripping.
        let full = elf.elf_symbol_table();
        let table = if full.is_empty() {
            elf.elf_dynamic_symbol_table()
        } else {
            full
        };
        scan(table, addresses, &mut best);
    }
    best
}

#[derive(Clone, Copy)]
pub(super) struct Symbol<'data> {
    /// Its first address.
    pub(super) start: u64,
    /// It may be mangled.
    pub(super) name: &'data [u8],
}

fn scan<'data>(table: &Table<'data>, addresses: &[u64], best: &mut [Option<Symbol<'data>>]) {
    for symbol in table.iter() {
        let Some((start, limit)) = function_range(symbol) else {
            continue;
        };
        let first = addresses.partition_point(|&address| address < start);
        let covered = addresses[first..]
            .iter()
            .take_while(|&&address| address < limit)
            .count();
        if covered == 0 {
            continue;
        }
        let Ok(name) = table.symbol_name(LittleEndian, symbol) else {
            continue;
        };
        for best in &mut best[first..first + covered] {
            let better = match best {
                None => true,
                // The innermost; of aliases always the same one.
                Some(other) => (start, other.name) > (other.start, name),
            };
            if better && !name.is_empty() {
                *best = Some(Symbol { start, name });
            }
        }
    }
}

fn function_range(symbol: &Sym64<LittleEndian>) -> Option<(u64, u64)> {
    let is_function = matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC);
    let start = symbol.st_value(LittleEndian);
    let limit = start.checked_add(symbol.st_size(LittleEndian))?;
    (is_function && !symbol.is_undefined(LittleEndian)).then_some((start, limit))
}
