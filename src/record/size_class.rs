//! Size classes: what the `bytes` label of a profile says.
//!
//! Records are kept per stack and size, as Go keeps them. Go rounds to its
//! allocator's size classes; these are classes of our own over any allocator:
//! steps of 8 bytes up to 128, from there eight steps to every doubling, so
//! that a label is at most 12.5 % above the size it stands for.

/// Doublings below this have steps of 8 bytes.
const FINE_LIMIT: u64 = 128;
/// log2 of the steps to a doubling.
const STEPS_LOG2: u32 = 3;

/// The largest size of the class that `size` is in.
pub(crate) fn class_limit(size: u64) -> u64 {
    let step = if size <= FINE_LIMIT {
        8
    } else {
        // Sizes 129..=256 have a leading bit of 7 when counted from zero.
        let doubling = size.wrapping_sub(1).ilog2();
        1_u64 << doubling.wrapping_sub(STEPS_LOG2)
    };
    size.checked_next_multiple_of(step).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight_and_stable() {
        for size in (1..10_000).chain([1 << 20, (1 << 20) + 1, u64::MAX / 2]) {
            let limit = class_limit(size);
            assert!(limit >= size);
            assert!(size < 64 || (limit - size) * 8 <= size, "{size} -> {limit}");
            assert_eq!(
                class_limit(limit),
                limit,
                "the limit belongs to its own class"
            );
        }
    }

    #[test]
    fn round_sizes_stand_for_themselves() {
        for size in [8, 16, 24, 64, 128, 256, 1024, 4096, 65536, 8 << 20] {
            assert_eq!(class_limit(size), size);
        }
    }
}
