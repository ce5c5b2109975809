//! A program that serves its own profiles, while it fills a cache and does work that
//! leaves nothing behind.
//!
//!     cargo run --release --example serve --features http
//!     go tool pprof -top http://127.0.0.1:8282/debug/pprof/heap
//!     go tool pprof -png http://127.0.0.1:8282/debug/pprof/heap > data.png
//!
//! In a browser: <http://127.0.0.1:8282/debug/pprof/>

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn main() -> Result<(), heapprof::Error> {
    heapprof::http::serve("127.0.0.1:8282")?;

    println!("Open http://127.0.0.1:8282/debug/pprof/ in a browser, or");
    println!("  go tool pprof -top http://127.0.0.1:8282/debug/pprof/heap");
    println!("  go tool pprof -png http://127.0.0.1:8282/debug/pprof/heap > data.png");
    println!("Ctrl-C ends it.");

    let mut cache = HashMap::new();
    for request in 0_u64.. {
        let page = render(request);
        remember(&mut cache, request, page);
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Allocates a lot, of which a page is left.
#[inline(never)]
fn render(request: u64) -> String {
    let rows: Vec<String> = (0..200)
        .map(|row| format!("<tr><td>{request}.{row}"))
        .collect();
    rows.concat()
}

/// Holds up to 20,000 pages, about 80 MB.
#[inline(never)]
fn remember(cache: &mut HashMap<u64, String>, request: u64, page: String) {
    cache.insert(request % 20_000, page);
}
