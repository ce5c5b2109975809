//! Where a program's memory is, when its live objects are not all of it.
//!
//!     cargo run --release --example where_is_it

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn main() -> Result<(), heapprof::Error> {
    let mut letters: Vec<String> = (0..500_000).map(|n| format!("{n:0>200}")).collect();
    println!("500,000 strings of 200 bytes:\n\n{}", heapprof::memory()?);

    // One in ten stays, in the midst of where the others were.
    let mut n = 0;
    letters.retain(|_| {
        n += 1;
        n % 10 == 0
    });
    println!("\nOne in ten of them is left:\n\n{}", heapprof::memory()?);
    println!("\n{} strings are left.", letters.len());
    Ok(())
}
