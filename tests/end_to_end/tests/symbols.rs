//! Functions, files and lines are those that another reader of debug
//! information finds, inlined frames included.

use std::fs;

use addr2line::Loader;
use heapprof::Alloc;
use heapprof_end_to_end::{Block, Frame, Profile};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[test]
fn frames_are_those_that_addr2line_finds() {
    let _held: Vec<Block> = (1..100).map(Block::new).collect();
    // Makes stacks through several crates.
    let dump = || Profile::decode(&heapprof::dump_heap().expect("registered"));
    drop(dump());
    let profile = dump();

    let program = std::env::current_exe().expect("this program has a path");
    let loader = Loader::new(&program).expect("this program has debug information");
    let bias = bias();
    let mapping = &profile.mappings()[0];
    let (mut inlined, mut lines) = (0, 0);
    for (address, frames) in profile.locations() {
        if !(mapping.start..mapping.limit).contains(&address) {
            continue;
        }
        let theirs = frames_by(&loader, address - bias);
        if theirs.is_empty() {
            // Known from the symbol table alone.
            assert!(frames.iter().all(|f| f.line == 0), "{frames:#?}");
            continue;
        }
        // Frames of the allocator are not shown.
        let hidden = theirs.len().checked_sub(frames.len());
        let hidden = hidden.unwrap_or_else(|| panic!("{frames:#?} instead of {theirs:#?}"));
        for (ours, theirs) in frames.iter().zip(&theirs[hidden..]) {
            let same_name = ours.name == theirs.name
                // From the symbol table, where DWARF has the bare name.
                || Some(ours) == frames.last();
            assert!(
                same_name && (&ours.file, ours.line) == (&theirs.file, theirs.line),
                "{address:#x}: {ours:#?} instead of {theirs:#?}"
            );
            lines += usize::from(ours.line > 0);
        }
        inlined += frames.len().saturating_sub(1);
    }
    assert!(
        inlined > 100 && lines > 300,
        "{inlined} inlined frames, {lines} lines"
    );
}

/// Where the program's file begins in memory: its first page is mapped first.
fn bias() -> u64 {
    let maps = fs::read_to_string("/proc/self/maps").expect("this is Linux");
    let (start, _) = maps.split_once('-').expect("a range");
    u64::from_str_radix(start, 16).expect("an address")
}

/// Innermost first.
fn frames_by(loader: &Loader, address: u64) -> Vec<Frame> {
    let mut found = loader
        .find_frames(address)
        .expect("readable debug information");
    let mut frames = Vec::new();
    while let Some(frame) = found.next().expect("readable debug information") {
        let name = frame.function.as_ref().map(|function| {
            let name = function.demangle().expect("UTF-8");
            name.into_owned()
        });
        let location = frame.location;
        frames.push(Frame {
            name: name.unwrap_or_default(),
            system_name: String::new(),
            file: location
                .as_ref()
                .and_then(|at| at.file)
                .unwrap_or_default()
                .to_owned(),
            line: location.and_then(|at| at.line).unwrap_or(0).into(),
            start_line: 0,
        });
    }
    frames
}
