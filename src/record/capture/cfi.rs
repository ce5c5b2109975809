//! Walking by call frame information: no frame pointers needed, nothing
//! allocated. What cannot be told with certainty is not guessed: the walk is cut.

use super::Registers;
use super::bounds::Bounds;
use super::modules::{Known, Scratch};
use super::rule::{Frame, PackedRule, Rule, Stop};
use super::rule_cache::Found;
use crate::record::stack::{ReturnAddress, StackEnd};

/// Fills the scratch space's stack.
pub(super) fn walk(
    registers: &Registers,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> StackEnd {
    let mut frame = Frame::innermost(registers);
    let mut rule = rule_at(registers.pc, known, scratch).unwrap_or_default();
    loop {
        let caller = match frame.step(&rule.unpack(), bounds) {
            Ok(address) => ReturnAddress(address),
            Err(Stop::Root) => return StackEnd::Root,
            Err(Stop::Cut) => return StackEnd::Cut,
        };
        // Code of no known module was generated, or opened since they were listed.
        let Some(caller_rule) = rule_at(caller.lookup_address(), known, scratch) else {
            return StackEnd::Cut;
        };
        if !scratch.stack.push(caller) {
            return StackEnd::TooDeep;
        }
        rule = caller_rule;
    }
}

/// The rule for the frame of a function at `address`; `None` if no known module
/// is there. Packed, because one word is all that a walk carries from frame to frame.
#[inline(always)]
fn rule_at(address: u64, known: &mut Known<'_>, scratch: &mut Scratch) -> Option<PackedRule> {
    match scratch.rules.get(address, known.generation()) {
        Some(found) => known.confirm(found.image, address).then_some(found.rule),
        None => look_up(address, known, scratch),
    }
}

#[cold]
#[inline(never)]
fn look_up(address: u64, known: &mut Known<'_>, scratch: &mut Scratch) -> Option<PackedRule> {
    let (image, unwind) = known.image_at(address)?;
    let rule = unwind.map_or(Rule::Unknown, |table| {
        table.rule(address, &mut scratch.context)
    });
    let found = Found {
        rule: PackedRule::of(rule),
        generation: known.generation(),
        image,
    };
    scratch.rules.put(address, found);
    Some(found.rule)
}
