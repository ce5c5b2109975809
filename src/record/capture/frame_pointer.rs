//! Walking by frame pointers: each frame holds the caller's frame pointer and,
//! above it, the return address. The same on x86-64 and aarch64.

use super::Registers;
use super::bounds::Bounds;
use super::modules;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd};

pub(super) fn walk(
    registers: &Registers,
    bounds: &Bounds,
    process_generation: u64,
    out: &mut StackBuffer,
) {
    modules::with_current(process_generation, |modules, _cache| {
        out.module_generation = modules.generation();
        out.end = walk_in(
            registers.fp,
            bounds,
            |address| modules.code_around(address).is_some(),
            out,
        );
    });
}

fn walk_in(
    mut fp: u64,
    bounds: &Bounds,
    is_code: impl Fn(u64) -> bool,
    out: &mut StackBuffer,
) -> StackEnd {
    loop {
        let (Ok(caller_fp), Ok(address)) = (bounds.read(fp), bounds.read(fp.wrapping_add(8)))
        else {
            return StackEnd::Cut;
        };
        let frame = ReturnAddress(address);
        if address == 0 {
            return StackEnd::Root;
        }
        if !is_code(frame.lookup_address()) {
            return StackEnd::Cut;
        }
        if !out.push(frame) {
            return StackEnd::TooDeep;
        }
        // A thread's first function clears the register.
        if caller_fp == 0 {
            return StackEnd::Root;
        }
        if caller_fp <= fp {
            return StackEnd::Cut;
        }
        fp = caller_fp;
    }
}
