//! heapprof's symbolizer alone, compiled from its sources: no snapshot holds
//! addresses that no stack has.

use std::fs;
use std::sync::atomic::Ordering;

use heapprof::Symbols;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{LittleEndian, Object};

use crate::Result;
use crate::module::{Module, Segment};

/// How many of the addresses have frames.
pub(crate) fn resolve(module: &Module, addresses: &[u64], symbols: Symbols) -> usize {
    let resolution = crate::export::symbolize::symbolize(Some(module), addresses, symbols);
    resolution.frames.iter().filter(|f| !f.is_empty()).count()
}

/// Memory of the frames that are kept.
pub(crate) fn kept_bytes() -> u64 {
    crate::snapshot::stats::RESOLVED_FRAMES_BYTES.load(Ordering::Relaxed)
}

/// This program, as the loader mapped it.
pub(crate) fn main_program() -> Result<Module> {
    let path = std::env::current_exe()?;
    let file = fs::read(&path)?;
    let elf = ElfFile64::<LittleEndian>::parse(&*file)?;
    let text = elf
        .elf_program_headers()
        .iter()
        .find(|header| {
            header.p_type(LittleEndian) == object::elf::PT_LOAD
                && header.p_flags(LittleEndian) & object::elf::PF_X != 0
        })
        .ok_or("no code")?;
    // The first page of the file is mapped at the bias.
    let maps = fs::read_to_string("/proc/self/maps")?;
    let first = maps.lines().next().and_then(|line| line.split('-').next());
    let bias = u64::from_str_radix(first.ok_or("no maps")?, 16)?;
    let start = bias + text.p_vaddr(LittleEndian);
    Ok(Module {
        bias,
        is_main_program: true,
        segments: vec![Segment {
            start,
            limit: start + text.p_memsz(LittleEndian),
            file_offset: text.p_offset(LittleEndian),
        }],
        build_id: elf.build_id()?.unwrap_or_default().to_vec(),
        since_generation: 0,
        until_generation: u32::MAX,
        path,
    })
}
