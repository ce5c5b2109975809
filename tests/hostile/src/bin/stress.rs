//! Everything at once, with room for every sample. See the library's `stress`.

use std::process::ExitCode;

use heapprof::Alloc;
use heapprof_hostile::stress::{self, Plan, Sealed};

#[global_allocator]
static ALLOC: Alloc<Sealed> = Alloc::new(Sealed);

fn main() -> ExitCode {
    stress::main(Plan {
        operations: 100_000,
        slots: 512,
        threads: 4,
        seed: 1,
    })
}
