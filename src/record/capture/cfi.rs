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
    let innermost = Frame::innermost(registers);
    let Some(mut at) = first_step(innermost, registers.pc, bounds, known, scratch) else {
        return StackEnd::Cut;
    };
    loop {
        let pc = at.return_address.lookup_address();
        if let Some(next) = step_again(&at.frame, pc, bounds, scratch) {
            if !scratch.stack.push(at.return_address) {
                return StackEnd::TooDeep;
            }
            at = next;
            continue;
        }
        // Code of no known module was generated, or opened since they were listed.
        let Some(next) = step_anew(at.frame, pc, bounds, known, scratch) else {
            return StackEnd::Cut;
        };
        if !scratch.stack.push(at.return_address) {
            return StackEnd::TooDeep;
        }
        at = match next {
            Ok(next) => next,
            Err(Stop::Root) => return StackEnd::Root,
            Err(Stop::Cut) => return StackEnd::Cut,
        };
    }
}

/// The same for code that a signal interrupted: the innermost frame is its own.
#[cfg(interrupts)]
pub(super) fn walk_interrupted(
    registers: &Registers,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> StackEnd {
    let innermost = ReturnAddress::of_interrupted(registers.pc);
    scratch.stack.push(innermost);
    walk(registers, bounds, known, scratch)
}

/// A frame that called another.
struct Caller {
    frame: Frame,
    /// Where it goes on.
    return_address: ReturnAddress,
}

fn first_step(
    frame: Frame,
    pc: u64,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> Option<Caller> {
    step_again(&frame, pc, bounds, scratch)
        .or_else(|| step_anew(frame, pc, bounds, known, scratch)?.ok())
}

/// From the frame of a function at `pc` to its caller, if this step was taken before
/// and leads to the same.
#[inline(always)]
fn step_again(frame: &Frame, pc: u64, bounds: &Bounds, scratch: &Scratch) -> Option<Caller> {
    let taken = scratch.trail.from(frame, pc)?;
    Some(Caller {
        frame: taken.again(frame, bounds)?,
        return_address: ReturnAddress(taken.return_address),
    })
}

/// From the frame of a function at `pc` to its caller. `None` if no known module is
/// at `pc`.
#[cold]
#[inline(never)]
fn step_anew(
    before: Frame,
    pc: u64,
    bounds: &Bounds,
    known: &mut Known<'_>,
    scratch: &mut Scratch,
) -> Option<Result<Caller, Stop>> {
    let Found { rule, image, .. } = found_at(pc, known, scratch)?;
    let mut frame = before;
    let return_address = match frame.step(&rule.unpack(), bounds) {
        Ok(return_address) => return_address,
        Err(stop) => return Some(Err(stop)),
    };
    if known.stays_for_ever(image)
        && let Some(taken) = frame.taken_from(&before, pc, rule, return_address)
    {
        scratch.trail.keep(before.stack_pointer(), taken);
    }
    Some(Ok(Caller {
        frame,
        return_address: ReturnAddress(return_address),
    }))
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
