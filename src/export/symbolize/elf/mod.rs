//! Frames from ELF files: names from the symbol tables, the rest from DWARF.

mod arena;
mod dwarf;
mod object_file;
mod split_dwarf;
mod start_line;
mod symtab;

use super::{Found, Frame, Strings, Symbols};
use crate::module::Module;
use object_file::{Elf, ObjectFile};

/// What the files of `module` say about addresses mapped from it.
pub(super) fn resolve(
    module: Option<&Module>,
    addresses: &[u64],
    symbols: Symbols,
    strings: &mut Strings,
) -> Found {
    let Some(module) = module else {
        return Err(None);
    };
    let files = object_file::find(module)?;
    let elves: Vec<Elf> = [&files.loaded, &files.debug]
        .into_iter()
        .flatten()
        .filter_map(ObjectFile::elf)
        .collect();
    let in_file: Vec<u64> = addresses
        .iter()
        .map(|a| a.wrapping_sub(module.bias))
        .collect();

    let mut frames = match elves.last() {
        Some(elf) if symbols == Symbols::Full => {
            dwarf::frames(elf, &module.path, &in_file, strings)
        }
        _ => vec![Vec::new(); in_file.len()],
    };
    for (frames, name) in frames.iter_mut().zip(symtab::names(&elves, &in_file)) {
        if let Some(name) = name {
            name_outermost(frames, &String::from_utf8_lossy(name), strings);
        }
    }
    Ok(frames)
}

/// Gives the function that inlined the others the linker's name, which has the
/// whole path. `debug = "line-tables-only"` leaves bare names in the DWARF.
fn name_outermost(frames: &mut Vec<Frame>, linker_name: &str, strings: &mut Strings) {
    match frames.last_mut() {
        Some(outermost) if !outermost.system_name.is_empty() => {}
        Some(outermost) => set_name(outermost, linker_name, strings),
        None => {
            let mut frame = unnamed_frame(strings);
            set_name(&mut frame, linker_name, strings);
            frames.push(frame);
        }
    }
}

fn unnamed_frame(strings: &mut Strings) -> Frame {
    let nothing = strings.share("");
    Frame {
        name: nothing.clone(),
        system_name: nothing.clone(),
        file: nothing,
        line: 0,
        start_line: 0,
    }
}

/// Sets both names from one that may be mangled.
///
/// pprof takes a name equal to the linker's for C++, and cuts what is in
/// brackets. So a Rust name that was never mangled gets no linker's name.
fn set_name(frame: &mut Frame, name: &str, strings: &mut Strings) {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => {
            frame.name = strings.share(&format!("{demangled:#}"));
            frame.system_name = strings.share(name);
        }
        Err(_) => {
            let is_plain = !name.contains(['<', '(', '[', '{', ':']);
            frame.name = strings.share(name);
            frame.system_name = strings.share(if is_plain { name } else { "" });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::path::Path;

    use super::*;
    use crate::export::testing;

    /// An address inside `outer`, in the code inlined from `inlined`.
    #[inline(never)]
    fn outer<T: Copy>(value: T) -> usize {
        black_box(value);
        inlined() + black_box(1)
    }

    #[inline(always)]
    fn inlined() -> usize {
        return_address()
    }

    #[inline(never)]
    fn return_address() -> usize {
        let mut address = 0;
        let mut depth = 0;
        backtrace::trace(|frame| {
            depth += 1;
            address = frame.ip() as usize;
            depth < 3
        });
        black_box(address)
    }
}
