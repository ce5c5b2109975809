//! As many stacks as are wanted, all of the same depth.

use std::hint::black_box;

type Site = fn(usize, usize, &mut dyn FnMut());

/// Sixteen functions that call each other and, at last, the work: `calls` of them
/// make 16 to the power of `calls` stacks.
const SITES: [Site; 16] = [
    site::<0>, site::<1>, site::<2>, site::<3>, site::<4>, site::<5>, site::<6>, site::<7>,
    site::<8>, site::<9>, site::<10>, site::<11>, site::<12>, site::<13>, site::<14>, site::<15>,
];

/// Does `work` so many calls (one or more) further down, the given way of them.
pub(crate) fn descend(calls: usize, way: usize, work: &mut dyn FnMut()) {
    SITES[way % SITES.len()](calls, way / SITES.len(), work);
}

#[inline(never)]
fn site<const DOOR: usize>(calls: usize, way: usize, work: &mut dyn FnMut()) {
    if calls == 1 {
        work();
    } else {
        descend(calls - 1, way, work);
    }
    // Something of its own to do after the call, or it would be a jump without a
    // frame, and one function in the place of all.
    black_box(DOOR);
}
