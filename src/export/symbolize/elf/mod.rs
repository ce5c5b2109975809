//! Frames from ELF files: names from the symbol tables, the rest from DWARF.

mod arena;
mod declaration;
mod dwarf;
mod elsewhere;
mod lines;
mod object_file;
mod ranges;
mod scopes;
mod sections;
mod split_dwarf;
mod symtab;
mod units;

use object::Object;

use super::{Found, Frame, Strings, Symbols};
use crate::module::Module;
pub(crate) use elsewhere::locate;
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
    let symbols = symtab::symbols(&elves, &in_file);
    for ((frames, symbol), address) in frames.iter_mut().zip(symbols).zip(&in_file) {
        if let Some(symbol) = symbol {
            name_outermost(frames, &String::from_utf8_lossy(symbol.name), strings);
            for frame in frames {
                frame.function_offset = u32::try_from(address - symbol.start).ok();
            }
        }
    }
    if frames.iter().all(Vec::is_empty) && elves.iter().all(is_stripped) {
        return Err(Some(format!("{}: stripped", module.path.display())));
    }
    Ok(frames)
}

/// Neither a full symbol table nor debug information.
fn is_stripped(elf: &Elf) -> bool {
    [".symtab", ".debug_info"]
        .iter()
        .all(|section| elf.section_by_name(section).is_none())
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
        function_offset: None,
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
    use std::path::PathBuf;

    use super::*;
    use crate::export::testing;

    const OUTER_LINE: u32 = line!() + 2;
    #[inline(never)]
    fn outer<T: Copy>(value: T) -> usize {
        black_box(value);
        inlined(black_box(3))
    }

    const INLINED_LINE: u32 = line!() + 2;
    #[inline(always)]
    fn inlined(n: usize) -> usize {
        black_box(n) * black_box(5)
    }

    /// Frames of the first address in `outer` whose frames are as wanted.
    fn find_in_outer(
        module: &Module,
        symbols: Symbols,
        wanted: impl Fn(&[Frame]) -> bool,
    ) -> Vec<Frame> {
        assert_eq!(outer(Some(1_u8)), 15);
        let start = outer::<Option<u8>> as fn(_) -> _ as usize as u64;
        let addresses: Vec<u64> = (start..start + 200).collect();
        let found = resolve(Some(module), &addresses, symbols, &mut Strings::default());
        let mut found = found.unwrap().into_iter();
        found
            .find(|frames| wanted(frames))
            .expect("frames as wanted")
    }

    #[test]
    fn inlined_frames_have_files_lines_and_start_lines() {
        let module = testing::main_program();
        let frames = find_in_outer(&module, Symbols::Full, |frames| {
            frames.first().is_some_and(|f| f.name.contains("inlined")) && frames.len() == 2
        });
        let (inner, outer) = (&frames[0], &frames[1]);
        assert!(
            inner.file.ends_with(file!()) && outer.file.ends_with(file!()),
            "{frames:?}"
        );
        assert_eq!((inner.line, outer.line), (INLINED_LINE + 1, OUTER_LINE + 2));
        // A release build has `debug = "line-tables-only"`, which leaves them out:
        // then they are unknown, and never wrong.
        for (found, expected) in [(inner, INLINED_LINE), (outer, OUTER_LINE)] {
            let is_unknown = found.start_line == 0 && !cfg!(debug_assertions);
            assert!(found.start_line == expected || is_unknown, "{found:?}");
        }
        assert!(
            outer.name.starts_with("heapprof::export::symbolize"),
            "{}",
            outer.name
        );
        assert!(outer.system_name.starts_with("_"), "{}", outer.system_name);
    }

    #[test]
    fn names_only_reads_no_lines() {
        let module = testing::main_program();
        let frames = find_in_outer(&module, Symbols::Names, |frames| !frames.is_empty());
        assert_eq!(frames.len(), 1);
        assert!(frames[0].name.contains("outer"), "{}", frames[0].name);
        assert_eq!(
            (&*frames[0].file, frames[0].line, frames[0].start_line),
            ("", 0, 0)
        );
    }

    #[test]
    fn another_build_id_is_not_believed() {
        let module = Module {
            build_id: vec![1, 2, 3],
            ..(*testing::main_program()).clone()
        };
        let found = resolve(Some(&module), &[0], Symbols::Full, &mut Strings::default());
        assert!(found.unwrap_err().unwrap().contains("another build id"));
    }

    #[test]
    fn what_has_no_file_has_no_names() {
        let problem = |path: &str| {
            let module = Module {
                path: PathBuf::from(path),
                is_main_program: false,
                ..(*testing::main_program()).clone()
            };
            resolve(Some(&module), &[0], Symbols::Full, &mut Strings::default()).unwrap_err()
        };
        assert_eq!(problem("linux-vdso.so.1"), None);
        assert!(problem("/no/such/file").unwrap().contains("cannot be read"));
        assert!(problem("/dev/null").unwrap().contains("not a regular file"));
        assert!(problem("/etc/passwd").unwrap().contains("no ELF file"));
    }

    #[test]
    fn a_name_that_pprof_would_cut_has_no_system_name() {
        let mut strings = Strings::default();
        let mut name = |name: &str| {
            let mut frame = unnamed_frame(&mut strings);
            set_name(&mut frame, name, &mut strings);
            (frame.name.to_string(), frame.system_name.to_string())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(name("malloc"), pair("malloc", "malloc"));
        assert_eq!(name("push<u8, alloc::alloc::Global>").1, "");
        assert_eq!(
            name("_ZN4core3ptr4null17h0123456789abcdefE"),
            pair("core::ptr::null", "_ZN4core3ptr4null17h0123456789abcdefE")
        );
        let mangled = "_RNvMs_NtCs4X4t9plMPHF_3app1aINtB4_3VecNtB4_3KeyE4push";
        assert_eq!(
            name(mangled),
            pair("<app::a::Vec<app::a::Key>>::push", mangled)
        );
    }
}
