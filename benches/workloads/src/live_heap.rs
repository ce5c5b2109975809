//! A heap that is full of small objects, and the memory that it takes.

use std::hint::black_box;
use std::process::ExitCode;

use crate::usage;

/// 64 bytes with the link.
struct Object {
    _next: Option<Box<Object>>,
    _rest: [u64; 7],
}

const _: () = assert!(size_of::<Object>() == 64);

/// Fills a heap of as many MiB as the argument says with objects of 64 bytes, and
/// prints the most kilobytes that were resident, and how many are.
pub(crate) fn main(mut args: impl Iterator<Item = String>) -> ExitCode {
    let Some(mebibytes) = args.next().and_then(|arg| arg.parse::<u64>().ok()) else {
        eprintln!("live_heap is to be told how many MiB");
        return ExitCode::from(2);
    };
    let mut objects: Option<Box<Object>> = None;
    for number in 0..(mebibytes << 20) / size_of::<Object>() as u64 {
        objects = Some(Box::new(Object {
            _next: objects,
            _rest: [number; 7],
        }));
    }
    black_box(&objects);
    println!("{} {}", usage::peak_kib(), usage::resident_kib());
    // Dropped one by one, each with the rest in it, they would overflow the stack.
    std::mem::forget(objects);
    ExitCode::SUCCESS
}
