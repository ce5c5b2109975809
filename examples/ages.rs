//! A leak beside memory that is meant to stay: which of the two grows, how old what
//! is in use is, and how long lived what is not, from one profile each.
//!
//!     cargo run --example ages
//!     go tool pprof -top leaks.pb.gz                            # the leak comes first
//!     go tool pprof -top -sample_index=inuse_space leaks.pb.gz  # the table is larger
//!     go tool pprof -tags ages.pb.gz                            # how much is how old
//!     go tool pprof -top -tagfocus=age=2s: ages.pb.gz           # 2 seconds and more
//!     go tool pprof -top -tagfocus=lifetime=:1s lifetimes.pb.gz # freed within a second

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(16 << 10);

fn main() -> Result<(), Box<dyn Error>> {
    let table = load_table();
    let mut sessions = Vec::new();
    for request in 0..40 {
        handle(request, &mut sessions);
        thread::sleep(Duration::from_millis(100));
    }
    // On a server: ten minutes.
    heapprof::dump_leaks_to("leaks.pb.gz", Duration::from_secs(1))?;
    heapprof::dump_ages_to("ages.pb.gz")?;
    heapprof::dump_lifetimes_to("lifetimes.pb.gz")?;
    println!("{} entries, {} sessions", table.len(), sessions.len());
    black_box((table, sessions));
    Ok(())
}

fn load_table() -> Vec<String> {
    (0..200_000).map(|entry| format!("entry {entry}")).collect()
}

/// Frees what it needs, except for a session that nobody ever ends.
fn handle(request: usize, sessions: &mut Vec<Vec<u8>>) {
    black_box(vec![1_u8; 1 << 20]);
    sessions.push(begin_session(request));
}

fn begin_session(request: usize) -> Vec<u8> {
    vec![request as u8; 50_000]
}
