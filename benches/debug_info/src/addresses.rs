//! The program's own file: how much debug information it has, and addresses in
//! its code.

use std::fs;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};

use crate::Result;
use crate::module::Module;

/// Bytes of all debug sections.
pub(crate) fn debug_info_bytes() -> Result<u64> {
    let file = fs::read("/proc/self/exe")?;
    let elf = ElfFile64::<LittleEndian>::parse(&*file)?;
    let sections = elf.sections();
    Ok(sections
        .filter(|section| section.name().is_ok_and(|name| name.starts_with(".debug_")))
        .map(|section| section.size())
        .sum())
}

/// Addresses spread over the program's code, the same ones every time but for
/// where it is loaded; sorted.
pub(crate) fn at_random(module: &Module, count: usize) -> Vec<u64> {
    let text = &module.segments[0];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut addresses: Vec<u64> = (0..count)
        .map(|_| {
            // Xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.start + state % (text.limit - text.start)
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
