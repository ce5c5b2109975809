//! The steps that earlier walks took, by where on the stack they took them.
//!
//! Samples of a thread share most of their frames: its outer calls go on, and loops
//! come back to the same place. A step depends on the frame that it starts from, on
//! the rule for it, and on the words of the stack that it reads. Where all of these
//! are as they were, it leads where it led. To see that they are takes less time
//! than to find the rule, and the next frame is known without waiting for the words.

use super::bounds::Bounds;
use super::rule::Frame;
use crate::record::sync::{AtomicU64, Ordering, fence};

/// 32 KiB of steps, touched as they are used.
const LEN_LOG2: u32 = 9;
const LEN: usize = 1 << LEN_LOG2;

/// No frame begins there.
const NOWHERE: u64 = 0;

/// See the module's description. One thread at a time uses it. Zeros are an empty
/// one.
#[derive(Debug)]
pub(super) struct Trail {
    steps: [Step; LEN],
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Step {
    /// Where the frame begins. Written last and cleared first: a process that is
    /// forked off while a thread writes inherits the step as it was, as it will be,
    /// or as none.
    stack_pointer: AtomicU64,
    taken: Taken,
}

const _: () = assert!(size_of::<Step>() == 64);

/// A step to the caller, but for where it begins. From code that stays for ever: its
/// rule is always the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// An address in the frame's function.
    pub(super) pc: u64,
    /// The frame's register, if the step depends on it, or 0.
    pub(super) frame_pointer: u64,
    /// Where the caller's frame begins, and where it goes on.
    pub(super) frame_address: u64,
    pub(super) return_address: u64,
    /// Which word of the frame that was read from, and which the caller's register,
    /// unless that is 0: then it is in the register still.
    pub(super) return_address_at: u32,
    pub(super) frame_pointer_at: u32,
}

impl Trail {
    /// The step that was taken from here.
    #[inline(always)]
    pub(super) fn from(&self, frame: &Frame, pc: u64) -> Option<&Taken> {
        let step = self.steps.get(slot_of(frame.stack_pointer()))?;
        // Relaxed: only a fork looks on while it is written, see `keep`.
        let is_it = step.stack_pointer.load(Ordering::Relaxed) == frame.stack_pointer()
            && step.taken.pc == pc;
        is_it.then_some(&step.taken)
    }

    /// Remembers a step.
    pub(super) fn keep(&mut self, stack_pointer: u64, taken: Taken) {
        let Some(step) = self.steps.get_mut(slot_of(stack_pointer)) else {
            return;
        };
        // A forked child sees some prefix of these stores. Release keeps what
        // was taken before the place; the fence keeps it after the clearing.
        step.stack_pointer.store(NOWHERE, Ordering::Relaxed);
        fence(Ordering::Release);
        step.taken = taken;
        step.stack_pointer.store(stack_pointer, Ordering::Release);
    }
}

impl Taken {
    /// The caller's frame, if what the step depends on is as it was.
    #[inline(always)]
    pub(super) fn again(&self, frame: &Frame, bounds: &Bounds) -> Option<Frame> {
        let words = bounds.words(frame.stack_pointer(), self.frame_address)?;
        let depends = self.frame_pointer != 0;
        if (depends && frame.frame_pointer() != Some(self.frame_pointer))
            || words.get(self.return_address_at) != Some(self.return_address)
        {
            return None;
        }
        let frame_pointer = if self.frame_pointer_at == 0 {
            frame.frame_pointer()
        } else {
            words.get(self.frame_pointer_at)
        };
        Some(Frame::of_caller(self.frame_address, frame_pointer))
    }
}

/// Frames begin at multiples of 16, mostly less than 4 KiB apart.
#[inline(always)]
fn slot_of(stack_pointer: u64) -> usize {
    ((stack_pointer >> 4) ^ (stack_pointer >> (4_u32.wrapping_add(LEN_LOG2)))) as usize
        & LEN.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::rule::{Base, Caller, PackedRule, Rule, Saved};
    use super::*;

    const PC: u64 = 0x1000;

    fn rule(base: Base, frame_pointer: Saved) -> PackedRule {
        PackedRule::of(Rule::Caller(Caller {
            base,
            offset: 32,
            return_address: Saved::At(-1),
            frame_pointer,
        }))
    }

    /// Takes a step by the rule and tells of it.
    fn taken(rule: PackedRule, before: Frame, bounds: &Bounds) -> (Option<Taken>, Frame) {
        let mut frame = before;
        let caller = frame.step(&rule.unpack(), bounds).unwrap();
        (frame.taken_from(&before, PC, rule, caller), frame)
    }

    #[test]
    fn leads_where_it_led_while_nothing_changed() {
        let mut words = [0_u64, 1, 77, 0x2000, 5, 6];
        let start = words.as_ptr().addr() as u64;
        let bounds = Bounds::of(start..start + 48);
        let before = Frame::of(start, 9);
        let (step, after) = taken(rule(Base::StackPointer, Saved::At(-2)), before, &bounds);
        let step = step.unwrap();
        let again = |words: &[u64; 6], before: Frame, bounds: &Bounds| {
            std::hint::black_box(words);
            step.again(&before, bounds)
        };
        assert_eq!(again(&words, before, &bounds), Some(after));
        assert_eq!(
            again(&words, Frame::of(start, 10), &bounds),
            Some(after),
            "the register does not matter"
        );
        words[2] = 78;
        let now = again(&words, before, &bounds).unwrap();
        assert_eq!(now.frame_pointer(), Some(78), "it is read anew");
        assert_eq!(
            again(&words, before, &Bounds::of(start..start + 24)),
            None,
            "it would be out of bounds"
        );
        words[3] = 0x2001;
        assert_eq!(again(&words, before, &bounds), None, "another caller");
    }

    #[test]
    fn depends_on_the_register_that_the_rule_counts_from() {
        let words = [0_u64, 1, 2, 0x2000, 5, 6];
        let start = words.as_ptr().addr() as u64;
        let bounds = Bounds::of(start..start + 48);
        let by_register = rule(Base::FramePointer, Saved::InPlace);
        let (step, after) = taken(by_register, Frame::of(start, start), &bounds);
        let step = step.unwrap();
        assert_eq!(step.again(&Frame::of(start, start), &bounds), Some(after));
        assert_eq!(step.again(&Frame::of(start, start + 8), &bounds), None);
    }

    #[test]
    fn is_found_where_it_was_kept() {
        let mut trail: Box<Trail> = Box::new(Trail {
            steps: std::array::from_fn(|_| Step::default()),
        });
        let frame = Frame::of(0x7000, 0);
        assert!(trail.from(&frame, PC).is_none());
        let taken = Taken {
            pc: PC,
            return_address: 5,
            ..Taken::default()
        };
        trail.keep(0x7000, taken);
        let found = trail.from(&frame, PC).map(|step| step.return_address);
        assert_eq!(found, Some(5));
        assert!(trail.from(&frame, PC + 1).is_none());
        assert!(trail.from(&Frame::of(0x7010, 0), PC).is_none());
    }
}
