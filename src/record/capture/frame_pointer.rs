//! Walking by frame pointers: each frame holds the caller's frame pointer and,
//! above it, the return address. The same on x86-64 and aarch64.

use super::Registers;
use super::bounds::Bounds;
use super::modules::Known;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd};

pub(super) fn walk(
    registers: &Registers,
    bounds: &Bounds,
    known: &mut Known<'_>,
    out: &mut StackBuffer,
) -> StackEnd {
    walk_in(
        registers.fp,
        bounds,
        |address| known.image_at(address).is_some(),
        out,
    )
}

fn walk_in(
    mut fp: u64,
    bounds: &Bounds,
    mut is_code: impl FnMut(u64) -> bool,
    out: &mut StackBuffer,
) -> StackEnd {
    loop {
        let (Some(caller_fp), Some(address)) = (bounds.read(fp), bounds.read(fp.wrapping_add(8)))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames as the walker finds them on a stack: each the caller's frame
    /// pointer and a return address, in words apart.
    fn walk_over(words: &mut [u64], frames: &[(usize, u64)]) -> (Vec<u64>, StackEnd) {
        let base = words.as_ptr().addr() as u64;
        let address_of = |index: usize| base + index as u64 * 8;
        for (at, &(index, return_address)) in frames.iter().enumerate() {
            words[index] = frames.get(at + 1).map_or(0, |&(next, _)| address_of(next));
            words[index + 1] = return_address;
        }
        let bounds = Bounds::of(base..address_of(words.len()));
        let mut out = StackBuffer::new();
        let is_code = |address| (0x1000..0x2000).contains(&address);
        let end = walk_in(address_of(frames[0].0), &bounds, is_code, &mut out);
        (out.frames().iter().map(|frame| frame.0).collect(), end)
    }

    #[test]
    fn walks_to_the_root() {
        let walked = walk_over(&mut [0; 64], &[(2, 0x1001), (10, 0x1500), (60, 0x2000)]);
        assert_eq!(walked, (vec![0x1001, 0x1500, 0x2000], StackEnd::Root));
    }

    #[test]
    fn cuts_where_it_is_not_certain() {
        let not_code = walk_over(&mut [0; 64], &[(2, 0x1001), (10, 0x2001)]);
        assert_eq!(not_code, (vec![0x1001], StackEnd::Cut));
        let backwards = walk_over(&mut [0; 64], &[(20, 0x1001), (10, 0x1002)]);
        assert_eq!(backwards, (vec![0x1001], StackEnd::Cut));
        let past_the_end = walk_over(&mut [0; 64], &[(20, 0x1001), (62, 0x1002)]);
        assert_eq!(past_the_end.0, [0x1001, 0x1002]);
        let mut words = [0; 8];
        let outside = walk_in(64, &Bounds::of(0..64), |_| true, &mut StackBuffer::new());
        assert_eq!(outside, StackEnd::Cut);
        let unaligned = words.as_mut_ptr().addr() as u64;
        let bounds = Bounds::of(unaligned..unaligned + 64);
        assert_eq!(bounds.read(unaligned + 1), None);
        assert_eq!(bounds.read(unaligned + 64), None);
        assert_eq!(bounds.read(unaligned + 56), Some(0));
    }

    #[test]
    fn keeps_the_innermost_of_a_deep_stack() {
        let frames: Vec<_> = (0..200).map(|i| (i * 4, 0x1001 + i as u64)).collect();
        let (walked, end) = walk_over(&mut [0; 1000], &frames);
        assert_eq!(end, StackEnd::TooDeep);
        assert_eq!(walked, (0x1001..0x1081).collect::<Vec<_>>());
    }
}
