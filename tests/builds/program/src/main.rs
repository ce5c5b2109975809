//! `build_program PROFILE`: holds some memory and writes a profile of it.

mod owners;

use std::env;
use std::hint::black_box;

fn main() -> Result<(), heapprof::Error> {
    let held = black_box(owners::Held::new());
    let path = env::args().nth(1).expect("a path for the profile");
    heapprof::dump_heap_to(path)?;
    drop(held);
    Ok(())
}
