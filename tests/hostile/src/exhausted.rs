//! What the program `exhausted` and its test agree on.

/// Limits of the profiler's own memory, in bytes. The first tables take 2,112
/// KiB (the stacks' chains 512, the live table 256 and 1,344), then come chunks
/// of 1 MiB for stacks; the live table's next level takes 12.5 MiB.
pub const LIMITS: [u64; 9] = [
    0,
    256 << 10,
    1 << 20,
    2 << 20,
    2_112 << 10,
    3_136 << 10,
    8 << 20,
    20 << 20,
    256 << 20,
];

/// Blocks held at the same time: twice what the live table begins with.
pub const BLOCKS: usize = 60_000;

/// Blocks allocated at the same stack once those are freed.
pub const AGAIN: usize = 1_000;

/// Blocks allocated at a new stack in the end.
pub const AFTERWARDS: usize = 100;

/// The size of all of them.
pub const SIZE: usize = 48;

/// Depths of two recursions, one above the other: their product in stacks.
pub const STACKS: std::ops::Range<usize> = 0..60;
