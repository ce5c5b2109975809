//! What a dump costs a program with much debug information: time, and memory
//! while it lasts and afterwards. Linux only.
//!
//!     cargo run --profile full-debug -p debug_info
//!     cargo run --profile full-debug -p debug_info -- 15     # rounds
//!
//! The program is a real server, mini-redis, that keeps JSON, built with `debug = 2`.
//! *Its own stacks* are every allocation of a second: a whole dump through the
//! public interface, then another that knows the names. *3,000 addresses* are
//! spread at random over the program's code, the worst that a profile could ask
//! for, and go to the symbolizer alone.
//!
//! Memory is `RssAnon` in `/proc/self/status`, read by a second thread about
//! every millisecond: what the allocator keeps in reserve is part of it. Every
//! figure is the median of fresh processes. It reports and never judges.

// The unit tests in heapprof's sources are not this program's.
#![cfg(not(test))]

mod addresses;
#[expect(
    dead_code,
    unused_imports,
    reason = "the rest of heapprof uses more of it"
)]
mod export;
mod load;
mod memory;
mod symbolizer;

// Part of what the symbolizer expects around it.
#[path = "../../../src/module.rs"]
#[expect(dead_code, reason = "the rest of heapprof uses more of it")]
mod module;
mod snapshot {
    pub(crate) mod stats {
        use std::sync::atomic::AtomicU64;

        pub(crate) static RESOLVED_FRAMES_BYTES: AtomicU64 = AtomicU64::new(0);
    }
}

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};

use heapprof::{PprofOptions, Snapshot, Symbols};
use memory::Cost;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(0);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const DEFAULT_ROUNDS: usize = 5;
const RANDOM_ADDRESSES: usize = 3_000;

const SYMBOLS: [(&str, Symbols); 3] = [
    ("full", Symbols::Full),
    ("names", Symbols::Names),
    ("unsymbolized", Symbols::None),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["own", symbols] => dump_own_stacks(SYMBOLS[symbols.parse::<usize>()?].1),
        ["random", symbols] => resolve_at_random(SYMBOLS[symbols.parse::<usize>()?].1),
        ["size"] => addresses::debug_info_bytes().map(|bytes| println!("{bytes}")),
        _ => report(args.first().map_or(Ok(DEFAULT_ROUNDS), |arg| arg.parse())?),
    }
}

fn report(rounds: usize) -> Result<()> {
    let program = std::env::current_exe()?;
    println!(
        "Program: {:.0} MB, debug information {:.0} MB.\n",
        fs::metadata(&program)?.len() as f64 / 1e6,
        run(&["size"])?[0] / 1e6
    );
    println!(
        "{:16}{:13}{:>11}{:>15}{:>16}{:>11}{:>18}{:>12}",
        "",
        "symbols",
        "first, ms",
        "at most, MiB",
        "stays, MiB",
        "second, ms",
        "kept frames, KiB",
        "addresses"
    );
    for (what, label, choices) in [
        ("own", "its own stacks", 0..3),
        ("random", "3,000 addresses", 0..2),
    ] {
        for symbols in choices {
            let mut figures = [const { Vec::new() }; 6];
            for _ in 0..rounds {
                let row = run(&[what, &symbols.to_string()])?;
                for (figures, figure) in figures.iter_mut().zip(row) {
                    figures.push(figure);
                }
            }
            let [first, peak, stays, second, kept, addresses] = figures.map(median);
            println!(
                "{label:16}{:13}{first:11.1}{peak:15.1}{stays:16.1}{second:11.1}{:18.0}{addresses:12.0}",
                SYMBOLS[symbols].0,
                kept / 1024.0
            );
        }
    }
    println!("\nMedians of {rounds} processes each.");
    Ok(())
}

/// The figures that a fresh process prints.
fn run(args: &[&str]) -> Result<Vec<f64>> {
    let child = Command::new(std::env::current_exe()?)
        .args(args)
        .env_remove("HEAPPROF_SAMPLE_INTERVAL")
        .stderr(Stdio::inherit())
        .output()?;
    if !child.status.success() {
        return Err(format!("{args:?}: {}", child.status).into());
    }
    let figures = String::from_utf8(child.stdout)?;
    let figures = figures.split_whitespace().map(str::parse);
    Ok(figures.collect::<std::result::Result<_, _>>()?)
}

fn dump_own_stacks(symbols: Symbols) -> Result<()> {
    load::run()?;
    let dump = || -> std::result::Result<Vec<u8>, heapprof::Error> {
        let mut profile = Vec::new();
        Snapshot::take()?.write_pprof(&mut profile, PprofOptions::default().symbols(symbols))?;
        Ok(profile)
    };
    let (first, profile) = memory::cost_of(dump)?;
    profile?;
    let (second, profile) = memory::cost_of(dump)?;
    profile?;
    let snapshot = Snapshot::take()?;
    let mut addresses: Vec<_> = snapshot.records().iter().flat_map(|r| r.stack()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    print(
        &first,
        &second,
        snapshot.stats().resolved_frames_bytes,
        addresses.len(),
    );
    Ok(())
}

fn resolve_at_random(symbols: Symbols) -> Result<()> {
    let module = symbolizer::main_program()?;
    let addresses = addresses::at_random(&module, RANDOM_ADDRESSES);
    let resolve = || symbolizer::resolve(&module, &addresses, symbols);
    let (first, found) = memory::cost_of(resolve)?;
    let (second, _) = memory::cost_of(resolve)?;
    if found < addresses.len() / 2 {
        return Err(format!("{found} of {} addresses have a name", addresses.len()).into());
    }
    print(&first, &second, symbolizer::kept_bytes(), addresses.len());
    Ok(())
}

fn print(first: &Cost, second: &Cost, kept_bytes: u64, addresses: usize) {
    println!(
        "{} {} {} {} {kept_bytes} {addresses}",
        first.ms, first.peak_mib, first.stays_mib, second.ms
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
