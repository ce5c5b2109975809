//! Everything at once, with tables so small that they are full most of the
//! time. See the library's `stress`.

use std::process::ExitCode;

use heapprof::Alloc;
use heapprof_hostile::stress::{self, Plan, Sealed};

#[global_allocator]
static ALLOC: Alloc<Sealed> = Alloc::new(Sealed).with_memory_limit(4 << 20);

fn main() -> ExitCode {
    stress::main(Plan {
        operations: 100_000,
        slots: 16_384,
        threads: 4,
        seed: 1,
    })
}
