//! A program marks its stages, and sees at which of them its memory grew.
//!
//!     cargo run --release --example stages
//!     go tool pprof -top indexing.pb.gz      # what came between the second stage and the third

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn main() -> Result<(), Box<dyn Error>> {
    heapprof::stage("started")?;

    let documents = load();
    heapprof::stage("documents loaded")?;

    let index = index(&documents);
    heapprof::stage("documents indexed")?;

    let found = (0..1_000)
        .filter(|n| search(&index, &documents, *n))
        .count();
    heapprof::stage("a thousand searches")?;

    drop((documents, index));
    heapprof::stage("all dropped")?;

    let stages = heapprof::stages();
    println!("{stages}");
    println!("{found} of 1000 were found.");

    let (Some(before), Some(after)) = (stages.snapshot(2), stages.snapshot(3)) else {
        return Err("64 stages are kept, and these are among the first five".into());
    };
    let mut file = File::create("indexing.pb.gz")?;
    after
        .since(&before)
        .write_pprof(&mut file, heapprof::PprofOptions::default())?;
    println!("Written: indexing.pb.gz, what indexing added. Look into it with");
    println!("  go tool pprof -top indexing.pb.gz");
    Ok(())
}

#[inline(never)]
fn load() -> Vec<String> {
    (0..20_000)
        .map(|n| format!("word{} number{n} ", n % 500).repeat(40))
        .collect()
}

/// Where each word occurs.
#[inline(never)]
fn index(documents: &[String]) -> HashMap<String, Vec<usize>> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, document) in documents.iter().enumerate() {
        for word in document.split_whitespace() {
            places.entry(word.to_owned()).or_default().push(number);
        }
    }
    places
}

/// Copies what it looks through, and gives it back.
#[inline(never)]
fn search(index: &HashMap<String, Vec<usize>>, documents: &[String], number: usize) -> bool {
    let places = index
        .get(&format!("number{number}"))
        .map_or(&[][..], Vec::as_slice);
    let texts: Vec<String> = places
        .iter()
        .map(|&place| documents[place].to_uppercase())
        .collect();
    texts.iter().any(|text| text.contains("WORD"))
}
