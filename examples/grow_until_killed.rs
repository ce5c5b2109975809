//! A program that takes memory until it is killed, and the profile that it leaves
//! behind.
//!
//!     cargo build --release --example grow_until_killed
//!     systemd-run --user --scope -p MemoryMax=256M -p MemorySwapMax=0 \
//!         target/release/examples/grow_until_killed profiles
//!     cargo run --release --example symbolize -- profiles/*.pb.gz
//!     go tool pprof -top "$(ls profiles/*.named.pb.gz | tail -1)"    # the last one
//!
//! Without a limit it ends at 1 GiB, by its own hand and as abruptly: then it
//! has dumped at three quarters of that.

use std::thread;
use std::time::Duration;

use heapprof::Threshold;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const MIB: usize = 1 << 20;
const LIMIT: usize = 1024 * MIB;

fn main() -> Result<(), heapprof::Error> {
    let folder = std::env::args().nth(1).unwrap_or("profiles".into());
    println!("profiles go to {folder}");

    // At 80 % of the limit of the control group, if there is one.
    heapprof::triggers()
        .on_resident(Threshold::percent(80))
        .folder(&folder)
        .start()?;
    // Several can run at once.
    heapprof::triggers()
        .on_resident(Threshold::bytes(LIMIT as u64 / 4 * 3))
        .folder(&folder)
        .start()?;

    let mut cache = Vec::new();
    let mut sessions = Vec::new();
    while (cache.len() + sessions.len() / 1000) * MIB < LIMIT {
        remember_pages(&mut cache);
        open_sessions(&mut sessions);
        // Some 200 MiB in a second.
        thread::sleep(Duration::from_millis(20));
    }
    std::process::abort();
}

/// The leak: a page of 1 MiB, three times.
#[inline(never)]
fn remember_pages(cache: &mut Vec<Vec<u8>>) {
    for _ in 0..3 {
        cache.push(vec![1; MIB]);
    }
}

/// Many small blocks beside it: 1 MiB together.
#[inline(never)]
fn open_sessions(sessions: &mut Vec<String>) {
    for _ in 0..1000 {
        sessions.push("x".repeat(1024));
    }
}
