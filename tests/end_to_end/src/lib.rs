//! What the end-to-end tests share: two ways to read a profile that have
//! nothing to do with heapprof's own code, memory to look for, and allocators
//! that count what they give and check what they are handed.

pub mod beside_dhat;
pub mod blocks;
pub mod counted;
pub mod decode;
pub mod meter;
pub mod numbers;
pub mod reader;
pub mod strict;

use std::env;

pub use beside_dhat::BesideDhat;
pub use blocks::{Block, Values};
pub use decode::{Frame, Profile};
pub use meter::Meter;
pub use numbers::Numbers;
pub use reader::Reader;
pub use strict::{Fault, Filled, Strict};

/// How many times longer than usual to run what can run longer.
pub fn scale() -> u64 {
    env::var("HEAPPROF_TEST_SCALE").map_or(1, |scale| {
        scale
            .parse()
            .expect("HEAPPROF_TEST_SCALE is a whole number")
    })
}
