//! Faults that a sanitizer has to find in a sampled block, or it would find none
//! of ours. `planted use-after-free | leak | nothing`

use std::alloc::{self, Layout};
use std::hint::black_box;

use heapprof::Alloc;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

const LAYOUT: Layout = Layout::new::<[u64; 100]>();

fn main() {
    let fault = std::env::args().nth(1).unwrap_or_default();
    // SAFETY: right, but for the fault that was asked for.
    unsafe {
        let block = black_box(alloc::alloc(LAYOUT));
        block.write(1);
        match fault.as_str() {
            "use-after-free" => {
                alloc::dealloc(block, LAYOUT);
                println!("{}", black_box(block).read());
            }
            "leak" => {
                let _ = black_box(block);
            }
            "nothing" => alloc::dealloc(block, LAYOUT),
            other => panic!("{other}? use-after-free, leak or nothing"),
        }
    }
}
