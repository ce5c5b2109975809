//! Walking by call frame information: no frame pointers needed, nothing
//! allocated. What cannot be told with certainty is not guessed: the walk is cut.

use super::Registers;
use super::bounds::Bounds;
use super::modules::{Known, Scratch};
use super::rule::{Frame, PackedRule, Rule, Stop};
use super::rule_cache::Found;
use super::trail::Taken;
use crate::record::stack::{ReturnAddress, StackEnd};

/// Fills the scratch space's stack.
pub(super) fn walk(
    registers: &Registers,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> StackEnd {
    let mut frame = Frame::innermost(registers);
    let Some(Ok(mut caller)) = step(&mut frame, registers.pc, bounds, known, scratch) else {
        return StackEnd::Cut;
    };
    loop {
        // Code of no known module was generated, or opened since they were listed.
        let Some(next) = step(&mut frame, caller.lookup_address(), bounds, known, scratch) else {
            return StackEnd::Cut;
        };
        if !scratch.stack.push(caller) {
            return StackEnd::TooDeep;
        }
        caller = match next {
            Ok(next) => next,
            Err(Stop::Root) => return StackEnd::Root,
            Err(Stop::Cut) => return StackEnd::Cut,
        };
    }
}

/// From the frame of a function at `pc` to its caller, where it goes on. `None` if
/// no known module is at `pc`.
#[inline(always)]
fn step(
    frame: &mut Frame,
    pc: u64,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> Option<Result<ReturnAddress, Stop>> {
    if let Some(taken) = scratch.trail.from(frame, pc, known.generation())
        && known.confirm(taken.image, pc)
        && taken.again(frame, bounds)
    {
        return Some(Ok(ReturnAddress(taken.return_address)));
    }
    step_anew(frame, pc, bounds, known, scratch)
}

fn step_anew(
    frame: &mut Frame,
    pc: u64,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> Option<Result<ReturnAddress, Stop>> {
    let Found { rule, image, .. } = found_at(pc, known, scratch)?;
    let before = *frame;
    let caller = match frame.step(&rule.unpack(), bounds) {
        Ok(caller) => caller,
        Err(stop) => return Some(Err(stop)),
    };
    if let Some(taken) = frame.taken_from(&before, rule, caller) {
        let taken = Taken {
            pc,
            generation: known.generation(),
            image,
            ..taken
        };
        scratch.trail.keep(before.stack_pointer(), taken);
    }
    Some(Ok(ReturnAddress(caller)))
}

/// The rule for the frame of a function at `address`; `None` if no known module
/// is there.
#[inline(always)]
fn found_at(address: u64, known: &mut Known<'_>, scratch: &mut Scratch) -> Option<Found> {
    match scratch.rules.get(address, known.generation()) {
        Some(found) => known.confirm(found.image, address).then_some(found),
        None => look_up(address, known, scratch),
    }
}

#[cold]
#[inline(never)]
fn look_up(address: u64, known: &mut Known<'_>, scratch: &mut Scratch) -> Option<Found> {
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
    Some(found)
}
