//! Whom memory is allocated for: requests of two routes and three tenants, whose
//! responses are kept in one cache.
//!
//!     cargo run --example labels
//!     go tool pprof -tags labels.pb.gz                            # how much each has
//!     go tool pprof -top -tagfocus=tenant=acme labels.pb.gz       # what it is, of one
//!     go tool pprof -http=: -tagroot=tenant,route labels.pb.gz    # a flame graph of all

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(16 << 10);

type Cache = HashMap<String, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut cache = Cache::new();
    for request in 0..300 {
        let tenant = ["acme", "acme", "zeta", "umbra"][request % 4];
        let route = ["/images", "/search"][request % 2];
        let labels = [("tenant", tenant), ("route", route)];
        heapprof::with_labels(labels, || handle(request, route, &mut cache));
    }
    heapprof::dump_heap_to("labels.pb.gz")?;
    println!("{} responses in the cache", cache.len());
    black_box(cache);
    Ok(())
}

fn handle(request: usize, route: &str, cache: &mut Cache) {
    let response = match route {
        "/images" => resize(request),
        _ => search(request),
    };
    cache.insert(format!("{route}?{request}"), response);
}

fn resize(request: usize) -> Vec<u8> {
    vec![request as u8; 200_000]
}

fn search(request: usize) -> Vec<u8> {
    (0..1_000)
        .flat_map(|hit: usize| (hit * request).to_string().into_bytes())
        .collect()
}
