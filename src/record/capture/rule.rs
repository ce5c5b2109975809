//! How to get from one frame to its caller: a row of call frame information,
//! cut down to the three registers that a walk needs.

use super::Registers;
use super::bounds::Bounds;
use super::trail::Taken;

/// A frame's row of call frame information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The outermost frame says that nobody called it.
    Root,
    /// Nothing is said about this address, or more than a walk can follow.
    Unknown,
    Caller(Caller),
}

/// Where the caller's registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// What the canonical frame address, the caller's stack pointer, is counted from.
    pub(super) base: Base,
    pub(super) offset: i32,
    pub(super) return_address: Saved,
    pub(super) frame_pointer: Saved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    StackPointer,
    FramePointer,
}

/// Where a register of the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    /// Still in its register.
    InPlace,
    /// On the stack, so many words from the canonical frame address.
    At(i16),
    /// Where a walk cannot follow.
    Lost,
}

/// A rule in one word: two bits of kind, 30 of offset, twice 16 of where a
/// register is saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PackedRule(u64);

impl PackedRule {
    const ROOT: u64 = 1;
    const BY_STACK_POINTER: u64 = 2;
    const BY_FRAME_POINTER: u64 = 3;
    const KIND_BITS: u32 = 2;

    /// A rule whose offset has no room becomes unknown.
    pub(super) fn of(rule: Rule) -> Self {
        let caller = match rule {
            Rule::Unknown => return Self(0),
            Rule::Root => return Self(Self::ROOT),
            Rule::Caller(caller) => caller,
        };
        let kind = match caller.base {
            Base::StackPointer => Self::BY_STACK_POINTER,
            Base::FramePointer => Self::BY_FRAME_POINTER,
        };
        let shifted = caller.offset.wrapping_shl(Self::KIND_BITS);
        if shifted.wrapping_shr(Self::KIND_BITS) != caller.offset {
            return Self(0);
        }
        let word = |saved: Saved| u64::from(saved.pack().cast_unsigned());
        Self(
            kind | u64::from(shifted.cast_unsigned())
                | word(caller.return_address) << 32
                | word(caller.frame_pointer) << 48,
        )
    }

    #[inline(always)]
    pub(super) fn unpack(self) -> Rule {
        let base = match self.0 & 3 {
            Self::BY_STACK_POINTER => Base::StackPointer,
            Self::BY_FRAME_POINTER => Base::FramePointer,
            Self::ROOT => return Rule::Root,
            _ => return Rule::Unknown,
        };
        Rule::Caller(Caller {
            base,
            offset: (self.0 as i32).wrapping_shr(Self::KIND_BITS),
            return_address: Saved::unpack((self.0 >> 32) as i16),
            frame_pointer: Saved::unpack((self.0 >> 48) as i16),
        })
    }
}

impl Saved {
    const IN_PLACE: i16 = i16::MIN;
    const LOST: i16 = i16::MAX;

    fn pack(self) -> i16 {
        match self {
            Self::At(words) => words,
            Self::InPlace => Self::IN_PLACE,
            Self::Lost => Self::LOST,
        }
    }

    #[inline(always)]
    fn unpack(word: i16) -> Self {
        match word {
            Self::IN_PLACE => Self::InPlace,
            Self::LOST => Self::Lost,
            words => Self::At(words),
        }
    }
}

/// Why a walk went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Root,
    Cut,
}

/// The registers of one frame on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    stack_pointer: u64,
    /// `None` once it is lost.
    frame_pointer: Option<u64>,
    /// Holds the return address on aarch64, in the innermost frame only.
    link: Option<u64>,
}

impl Frame {
    pub(super) fn innermost(registers: &Registers) -> Self {
        Self {
            stack_pointer: registers.sp,
            frame_pointer: Some(registers.fp),
            #[cfg(target_arch = "aarch64")]
            link: Some(registers.lr),
            #[cfg(target_arch = "x86_64")]
            link: None,
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn of(stack_pointer: u64, frame_pointer: u64) -> Self {
        Self {
            stack_pointer,
            frame_pointer: Some(frame_pointer),
            link: None,
        }
    }

    /// Where it begins.
    #[inline(always)]
    pub(super) fn stack_pointer(&self) -> u64 {
        self.stack_pointer
    }

    #[inline(always)]
    pub(super) fn frame_pointer(&self) -> Option<u64> {
        self.frame_pointer
    }

    /// Not the innermost one.
    #[inline(always)]
    pub(super) fn of_caller(stack_pointer: u64, frame_pointer: Option<u64>) -> Self {
        Self {
            stack_pointer,
            frame_pointer,
            link: None,
        }
    }

    /// How this frame was reached from the one `before`, of a function at `pc`, by a
    /// rule: what the step read, all of it within that frame, and what came of it. `None` where more
    /// would have to be told.
    pub(super) fn taken_from(
        &self,
        before: &Self,
        pc: u64,
        rule: PackedRule,
        return_address: u64,
    ) -> Option<Taken> {
        let Rule::Caller(caller) = rule.unpack() else {
            return None;
        };
        if !before.stack_pointer.is_multiple_of(8) {
            return None;
        }
        let frame_bytes = self.stack_pointer.checked_sub(before.stack_pointer)?;
        // Which word of the frame, if it is one.
        let place = |words: i16| {
            let at = (frame_bytes / 8).checked_add_signed(words.into())?;
            u32::try_from(at).ok().filter(|_| words < 0)
        };
        let Saved::At(return_address_at) = caller.return_address else {
            return None;
        };
        Some(Taken {
            pc,
            frame_pointer: match caller.base {
                Base::StackPointer => 0,
                Base::FramePointer => before.frame_pointer?,
            },
            frame_address: self.stack_pointer,
            return_address,
            return_address_at: place(return_address_at)?,
            frame_pointer_at: match caller.frame_pointer {
                Saved::InPlace => 0,
                Saved::At(words) => place(words).filter(|&at| at != 0)?,
                Saved::Lost => return None,
            },
        })
    }

    /// Goes on to the caller, whose return address is the result. Every read is
    /// within `bounds`, and the stack pointer only ever rises.
    #[inline(always)]
    pub(super) fn step(&mut self, rule: &Rule, bounds: &Bounds) -> Result<u64, Stop> {
        let caller = match rule {
            Rule::Root => return Err(Stop::Root),
            // musl says nothing about a thread's first function, which clears the
            // register (x86-64 psABI 3.4.1, AAPCS64 6.4.6). Elsewhere a register
            // that is 0 is just that.
            Rule::Unknown if cfg!(target_env = "musl") && self.frame_pointer == Some(0) => {
                return Err(Stop::Root);
            }
            Rule::Unknown => return Err(Stop::Cut),
            Rule::Caller(caller) => caller,
        };
        let base = match caller.base {
            Base::StackPointer => self.stack_pointer,
            Base::FramePointer => self.frame_pointer.ok_or(Stop::Cut)?,
        };
        let frame_address = base
            .checked_add_signed(i64::from(caller.offset))
            .ok_or(Stop::Cut)?;
        // Only an innermost frame may have no frame of its own (a leaf on aarch64).
        let rises = frame_address > self.stack_pointer
            || (frame_address == self.stack_pointer && self.link.is_some());
        if !rises || !bounds.reach(frame_address) {
            return Err(Stop::Cut);
        }
        let saved = |words: i16| {
            let offset = i64::from(words).wrapping_mul(8);
            bounds.read(frame_address.checked_add_signed(offset)?)
        };
        let return_address = match caller.return_address {
            Saved::InPlace => self.link,
            Saved::At(words) => saved(words),
            Saved::Lost => None,
        };
        self.frame_pointer = match caller.frame_pointer {
            Saved::InPlace => self.frame_pointer,
            Saved::At(words) => saved(words),
            Saved::Lost => None,
        };
        self.stack_pointer = frame_address;
        self.link = None;
        match return_address.map(without_signature) {
            None => Err(Stop::Cut),
            Some(0) => Err(Stop::Root),
            Some(address) => Ok(address),
        }
    }
}

/// Return addresses may be signed in their upper bits.
#[cfg(target_arch = "aarch64")]
fn without_signature(address: u64) -> u64 {
    let stripped;
    // SAFETY: XPACLRI, a hint: older processors pass over it. It changes x30 alone.
    unsafe {
        core::arch::asm!(
            "mov x30, {address}",
            "hint 7",
            "mov {stripped}, x30",
            address = in(reg) address,
            stripped = lateout(reg) stripped,
            out("x30") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    stripped
}

#[cfg(target_arch = "x86_64")]
fn without_signature(address: u64) -> u64 {
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Caller = Caller {
        base: Base::StackPointer,
        offset: 32,
        return_address: Saved::At(-1),
        frame_pointer: Saved::At(-2),
    };

    /// Steps from the lowest of `words`; gives the result and the frame.
    fn step(words: &[u64], fp: Option<u64>, rule: Rule) -> (Result<u64, Stop>, Frame) {
        let start = words.as_ptr().addr() as u64;
        let bounds = Bounds::of(start..start + words.len() as u64 * 8);
        let mut frame = Frame {
            stack_pointer: start,
            frame_pointer: fp.map(|fp| start.wrapping_add(fp)),
            link: None,
        };
        (frame.step(&rule, &bounds), frame)
    }

    #[test]
    fn packs_and_unpacks() {
        let same = |rule| assert_eq!(PackedRule::of(rule).unpack(), rule);
        same(Rule::Root);
        same(Rule::Unknown);
        for base in [Base::StackPointer, Base::FramePointer] {
            for offset in [0, 8, -8, 4096, (1 << 29) - 1, -1 << 29] {
                for saved in [Saved::InPlace, Saved::Lost, Saved::At(-1), Saved::At(300)] {
                    same(Rule::Caller(Caller {
                        base,
                        offset,
                        return_address: saved,
                        frame_pointer: Saved::At(-2),
                    }));
                    same(Rule::Caller(Caller {
                        base,
                        offset,
                        return_address: Saved::At(-1),
                        frame_pointer: saved,
                    }));
                }
            }
        }
        for offset in [1 << 29, i32::MAX, i32::MIN] {
            let too_far = Rule::Caller(Caller { offset, ..CALLER });
            assert_eq!(PackedRule::of(too_far).unpack(), Rule::Unknown);
        }
        assert_eq!(PackedRule::default().unpack(), Rule::Unknown);
    }

    #[test]
    fn finds_the_caller_by_either_register() {
        let words = [0, 0, 77, 0x1234, 5];
        let (caller, frame) = step(&words, Some(3), Rule::Caller(CALLER));
        assert_eq!(caller, Ok(0x1234));
        assert_eq!(frame.frame_pointer, Some(77));
        assert_eq!(frame.stack_pointer, words.as_ptr().addr() as u64 + 32);

        let by_frame_pointer = Rule::Caller(Caller {
            base: Base::FramePointer,
            offset: 16,
            ..CALLER
        });
        let (caller, frame) = step(&words, Some(16), by_frame_pointer);
        assert_eq!((caller, frame.frame_pointer), (Ok(0x1234), Some(77)));
        assert_eq!(step(&words, None, by_frame_pointer).0, Err(Stop::Cut));
    }

    #[test]
    fn stops_at_the_root() {
        let words = [0; 4];
        assert_eq!(step(&words, Some(8), Rule::Root).0, Err(Stop::Root));
        assert_eq!(
            step(&words, Some(8), Rule::Caller(CALLER)).0,
            Err(Stop::Root)
        );
        let cleared = 0_u64.wrapping_sub(words.as_ptr().addr() as u64);
        let at_first_function = if cfg!(target_env = "musl") {
            Stop::Root
        } else {
            Stop::Cut
        };
        assert_eq!(
            step(&words, Some(cleared), Rule::Unknown).0,
            Err(at_first_function)
        );
    }

    #[test]
    fn goes_nowhere_uncertain() {
        let words = [0x1234; 4];
        let with = |change: fn(&mut Caller)| {
            let mut caller = CALLER;
            change(&mut caller);
            step(&words, Some(0), Rule::Caller(caller)).0
        };
        assert_eq!(with(|_| ()), Ok(0x1234));
        assert_eq!(step(&words, Some(8), Rule::Unknown).0, Err(Stop::Cut));
        for stay_or_fall in [0, -8, i32::MIN] {
            let caller = Caller {
                offset: stay_or_fall,
                ..CALLER
            };
            assert_eq!(
                step(&words, Some(0), Rule::Caller(caller)).0,
                Err(Stop::Cut)
            );
        }
        assert_eq!(with(|caller| caller.offset = 40), Err(Stop::Cut));
        assert_eq!(with(|caller| caller.offset = i32::MAX), Err(Stop::Cut));
        assert_eq!(
            with(|caller| caller.return_address = Saved::At(1)),
            Err(Stop::Cut)
        );
        assert_eq!(with(|caller| caller.offset = 31), Err(Stop::Cut));
        assert_eq!(
            with(|caller| caller.return_address = Saved::Lost),
            Err(Stop::Cut)
        );
        assert_eq!(
            with(|caller| caller.return_address = Saved::InPlace),
            Err(Stop::Cut)
        );
    }
}
