//! A program whose only purpose is its machine code: what an unsampled
//! allocation over mimalloc runs through. See `tests/machine_code.rs`.

use heapprof::Alloc;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOC: Alloc<MiMalloc> = Alloc::new(MiMalloc);

fn main() {
    println!("{}", std::env::args().collect::<Vec<_>>().join(" "));
}
