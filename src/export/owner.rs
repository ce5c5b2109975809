#![forbid(unsafe_code)]
//! Whose code a frame is: told by its name and, because
//! `debug = "line-tables-only"` leaves bare names such as `alloc` for inlined
//! functions, by its file.

/// Whose code a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The recorder and the allocator wrapper. Nothing called from there is the
    /// program's own code.
    Profiler,
    /// An allocator, or what `alloc` has between a collection and it.
    Allocator,
    /// What a function of `alloc` may have called to do its work, under a name of
    /// its own: `Vec::push_mut` in `Vec::push`.
    AllocStep,
    /// `core` and `std`: glue between frames of the allocator, or the user's call.
    CoreOrStd,
    /// Collections, boxes, strings and the rest of `alloc`.
    Alloc,
    /// Everybody else.
    User,
}

/// Tells whose code a frame is by the function's name and file.
pub(crate) fn owner(name: &str, file: &str) -> Owner {
    let name = name.trim_start_matches('<');
    let standard_file = standard_library_file(file);
    if is_profiler(name, file) {
        return Owner::Profiler;
    }
    if is_allocator(name) || is_allocation_layer(name, file, standard_file) {
        return Owner::Allocator;
    }
    let library = match standard_file {
        Some(file) => file.split('/').next().unwrap_or_default(),
        None if file.is_empty() => crate_of(name),
        None => return Owner::User,
    };
    match library {
        "core" | "std" => Owner::CoreOrStd,
        "alloc" if is_step(name) => Owner::AllocStep,
        "alloc" => Owner::Alloc,
        _ if standard_file.is_some() => Owner::CoreOrStd,
        _ => Owner::User,
    }
}

/// The entry that the compiler provides, or any allocator that we are wrapped in.
fn is_allocator(name: &str) -> bool {
    if name.contains(" as core::alloc::global::GlobalAlloc>::") {
        return true;
    }
    let name = name.strip_prefix("__rustc::").unwrap_or(name);
    let kind = ["__rust_", "__rg_", "__rdl_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    matches!(kind, Some("alloc" | "alloc_zeroed" | "realloc"))
}

/// Another crate's name may begin with ours; tests of this crate are users.
fn is_profiler(name: &str, file: &str) -> bool {
    if name.contains("::tests::") {
        return false;
    }
    if ["heapprof::record::", "heapprof::alloc::"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        return true;
    }
    // This file is seen with the same path by the compiler as its neighbours.
    let source_folder = file!().trim_end_matches("export/owner.rs");
    file.rfind(source_folder).is_some_and(|at| {
        let starts_at_name = at == 0 || source_folder.starts_with('/') || file[..at].ends_with('/');
        let rest = &file[at + source_folder.len()..];
        starts_at_name && (rest == "alloc.rs" || rest.starts_with("record/"))
    })
}

/// The part of a path behind `library/`, for files of the standard library.
fn standard_library_file(file: &str) -> Option<&str> {
    let is_standard = file.contains("/rustc/") || file.contains("/rustlib/src/rust/");
    let (_, file) = if is_standard {
        file.split_once("/library/")?
    } else {
        // Crates that the standard library is built from, hashbrown for one.
        file.split_once("/rust/deps/")?
    };
    Some(file)
}

/// The layers of `alloc`, and of hashbrown, between a collection and the allocator.
fn is_allocation_layer(name: &str, file: &str, standard_file: Option<&str>) -> bool {
    const PATHS: [&str; 5] = [
        "alloc::alloc::",
        "alloc::raw_vec::",
        "alloc::boxed::box_new",
        "hashbrown::alloc::",
        "hashbrown::raw::alloc::",
    ];
    const FILES: [&str; 3] = [
        "alloc/src/alloc.rs",
        "alloc/src/raw_vec",
        "std/src/alloc.rs",
    ];
    // Instructions that the compiler merged have no line, and may have the file
    // of a caller.
    const BARE_NAMES: [&str; 5] = [
        "alloc_impl",
        "box_new",
        "exchange_malloc",
        "finish_grow",
        "try_allocate_in",
    ];
    PATHS.iter().any(|path| name.starts_with(path))
        || file.contains("/hashbrown-") && file.ends_with("/alloc.rs")
        || standard_file.is_some_and(|file| {
            FILES.iter().any(|layer| file.starts_with(layer))
                || BARE_NAMES.iter().any(|bare| name.starts_with(bare))
        })
}

/// Twins of the user's call that take an allocator, or return a reference.
fn is_step(name: &str) -> bool {
    let path = without_generics(name);
    let method = path.rsplit("::").next().unwrap_or(path);
    method.ends_with("_in") || method == "push_mut"
}

/// A name without the generic arguments at its end.
fn without_generics(name: &str) -> &str {
    let mut depth = 0;
    for (at, character) in name.char_indices().rev() {
        match character {
            // Of `fn() -> u8`.
            '>' if name[..at].ends_with('-') => {}
            '>' => depth += 1,
            '<' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return name[..at + character.len_utf8()].trim_end_matches(['<', ':']);
        }
    }
    name
}

/// The crate that a name's path begins with. Of `<T as Trait>::f` the type's,
/// or the trait's if the type has no path.
fn crate_of(name: &str) -> &str {
    let name = name.trim_start_matches(['<', '&', '*', '[', '(', ' ']);
    let path = name.find("::").unwrap_or(name.len());
    match name.find(" as ") {
        Some(at) if at < path => crate_of(&name[at + 4..]),
        _ => &name[..path],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::hidden::hidden_frames;

    #[test]
    fn bare_names_are_told_by_their_files() {
        let in_alloc =
            |name, file| owner(name, &format!("/rustc/0123abcd/library/alloc/src/{file}"));
        let stack = [
            in_alloc("alloc", "alloc.rs"),
            in_alloc("try_allocate_in<alloc::alloc::Global>", "raw_vec/mod.rs"),
            in_alloc("with_capacity<u8>", "vec/mod.rs"),
            owner("main", "/home/me/app/src/allocations.rs"),
        ];
        assert_eq!(stack[2..], [Owner::Alloc, Owner::User]);
        assert_eq!(hidden_frames(stack.into_iter()), 2);
        let step = in_alloc(
            "try_new_uninit_in<fn() -> a::B<u8>, alloc::alloc::Global>",
            "boxed.rs",
        );
        assert_eq!(step, Owner::AllocStep);
        assert_eq!(in_alloc("new<u64>", "boxed.rs"), Owner::Alloc);
    }

    #[test]
    fn the_profilers_files_are_its_own() {
        let source = file!().trim_end_matches("export/owner.rs");
        assert_eq!(
            owner("alloc", &format!("/x/{source}alloc.rs")),
            Owner::Profiler
        );
        assert_eq!(
            owner("f", &format!("/x/{source}record/sampler.rs")),
            Owner::Profiler
        );
        assert_eq!(
            owner("f", &format!("/x/{source}export/owner.rs")),
            Owner::User
        );
        assert_eq!(owner("f", "/x/other_src/alloc.rs"), Owner::User);
    }

    #[test]
    fn crates_of_names() {
        for (name, expected) in [
            ("std::io::read", "std"),
            ("<my::T as core::clone::Clone>::clone", "my"),
            ("<T as alloc::slice::hack::ConvertVec>::to_vec", "alloc"),
            ("<[u8] as alloc::borrow::ToOwned>::to_owned", "alloc"),
            ("<&mut my::T as core::fmt::Debug>::fmt", "mut my"),
            ("main", "main"),
        ] {
            assert_eq!(crate_of(name), expected);
        }
    }
}
