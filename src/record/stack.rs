//! What a captured stack is made of.
// The models are built without the crate's surface.
#![cfg_attr(loom, allow(unreachable_pub))]

/// Frames kept per stack; of deeper ones the innermost are kept.
pub(crate) const MAX_FRAMES: usize = 128;

/// The address that a call returns to, as found on the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ReturnAddress(pub u64);

impl ReturnAddress {
    /// As if the instruction at `pc`, which was interrupted, were a call: what is
    /// looked up is the instruction itself.
    #[cfg(interrupts)]
    pub(crate) fn of_interrupted(pc: u64) -> Self {
        Self(pc.wrapping_add(1))
    }

    /// An address inside the call instruction: what to look symbols up by. The
    /// return address itself may belong to the next line, or function.
    pub fn lookup_address(self) -> u64 {
        self.0.wrapping_sub(1)
    }
}

/// How far a captured stack reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StackEnd {
    /// Down to the thread's first function.
    Root,
    /// Deeper than 128 frames: the innermost ones are kept.
    TooDeep,
    /// Cut where the next frame could not be told with certainty: code outside
    /// every known module, or a stack other than the thread's own.
    Cut,
    /// No frames: the profiler was not ready, or there was no room to unwind.
    NotCaptured,
}

/// A hash goes on with a word: what differs in any bit soon differs in half of them.
#[inline(always)]
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A stack on its way into the table: a buffer, and how much of it is filled.
#[derive(Debug)]
pub(crate) struct StackBuffer {
    /// Those beyond `len` are of the stack that was here before.
    frames: [ReturnAddress; MAX_FRAMES],
    len: usize,
    /// Of the first so many frames, and how many those are.
    hash: (u64, usize),
    pub(crate) end: StackEnd,
    /// The generation of the module list that the frames were checked against.
    pub(crate) module_generation: u32,
}

impl StackBuffer {
    pub(crate) const fn new() -> Self {
        Self {
            frames: [ReturnAddress(0); MAX_FRAMES],
            len: 0,
            hash: (0, 0),
            end: StackEnd::NotCaptured,
            module_generation: 0,
        }
    }

    /// Empties it, for a stack of modules of this generation.
    #[cfg(cfi)]
    pub(crate) fn begin(&mut self, module_generation: u32) {
        self.len = 0;
        self.module_generation = module_generation;
    }

    /// Adds a frame; false if there is no place for it.
    pub(crate) fn push(&mut self, frame: ReturnAddress) -> bool {
        let Some(place) = self.frames.get_mut(self.len) else {
            return false;
        };
        if *place != frame {
            *place = frame;
            self.hash = (0, 0);
        }
        self.len = self.len.wrapping_add(1);
        true
    }

    /// Marks how far the stack reaches, now that all its frames are here.
    #[cfg(cfi)]
    pub(crate) fn finish(&mut self, end: StackEnd) {
        self.end = end;
        self.hash = (self.hash(), self.len);
    }

    /// Makes it a copy of another.
    #[cfg(interrupts)]
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.begin(other.module_generation);
        for &frame in other.frames() {
            self.push(frame);
        }
        self.finish(other.end);
    }

    /// Of the frames. Mostly a stack is captured again, and its hash is known.
    pub(crate) fn hash(&self) -> u64 {
        if self.hash.1 == self.len {
            return self.hash.0;
        }
        let frames = self.frames().iter();
        frames.fold(0, |hash, frame| mix(hash, frame.0))
    }

    pub(crate) fn frames(&self) -> &[ReturnAddress] {
        self.frames.get(..self.len).unwrap_or_default()
    }
}
