//! How long a dump takes, and how large it is, by the number of unique stacks.
//!
//!     cargo bench --bench dump
//!     cargo bench --bench dump -- 15              # rounds
//!
//! Stacks are never forgotten and symbols may be cached, so every figure comes
//! from a fresh process: it makes the stacks, dumps twice and reports. The first
//! dump reads what is in the program's file about its functions, the second may
//! remember. Snapshot, symbols, encoding and compression are all included.
//!
//! This program is small. What much debug information costs is measured by
//! `benches/debug_info`.
//!
//! It reports and never judges: wall time on a shared machine is no test.

use std::error::Error;
use std::hint::black_box;
use std::marker::PhantomData;
use std::process::{Command, Stdio};
use std::time::Instant;

use heapprof::{PprofOptions, Snapshot, Symbols};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const DEFAULT_ROUNDS: usize = 5;

const STACKS: [u32; 3] = [10, 1_000, 30_000];

const SYMBOLS: [(&str, Symbols); 3] = [
    ("unsymbolized", Symbols::None),
    ("names", Symbols::Names),
    ("full", Symbols::Full),
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, child, stacks, symbols] = args.as_slice()
        && child == "child"
    {
        return measure(stacks.parse()?, SYMBOLS[symbols.parse::<usize>()?].1);
    }

    let rounds = args
        .iter()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);
    println!(
        "{:>7}  {:13}{:>15}{:>16}{:>12}",
        "stacks", "symbols", "first dump, ms", "second dump, ms", "bytes"
    );
    for stacks in STACKS {
        for (index, (label, _)) in SYMBOLS.iter().enumerate() {
            // First dump, second dump, bytes.
            let mut figures = [const { Vec::new() }; 3];
            for _ in 0..rounds {
                let child = Command::new(std::env::current_exe()?)
                    .args(["child", &stacks.to_string(), &index.to_string()])
                    .env_remove("HEAPPROF_SAMPLE_INTERVAL")
                    .stderr(Stdio::inherit())
                    .output()?;
                if !child.status.success() {
                    return Err(format!("{stacks} stacks, {label}: {}", child.status).into());
                }
                for (figure, figures) in String::from_utf8(child.stdout)?
                    .split_whitespace()
                    .zip(&mut figures)
                {
                    figures.push(figure.parse::<f64>()?);
                }
            }
            let [first, second, bytes] = figures.map(median);
            println!("{stacks:>7}  {label:13}{first:15.2}{second:16.2}{bytes:12.0}");
        }
    }
    println!("\nMedians of {rounds} processes each.");
    Ok(())
}

/// Makes the stacks, dumps twice and prints both times and the bytes.
fn measure(stacks: u32, symbols: Symbols) -> Result<(), Box<dyn Error>> {
    heapprof::set_sample_interval(1)?;
    let blocks: Vec<Block> = (0..stacks).map(walk::<Turns>).collect();
    heapprof::set_sample_interval(0)?;

    let records = Snapshot::take()?.records().len();
    if records < stacks as usize {
        return Err(format!("{records} records of {stacks} unique stacks").into());
    }
    let mut bytes = 0;
    for _ in 0..2 {
        let start = Instant::now();
        let mut profile = Vec::new();
        Snapshot::take()?.write_pprof(&mut profile, PprofOptions::default().symbols(symbols))?;
        print!("{} ", start.elapsed().as_secs_f64() * 1e3);
        bytes = profile.len();
    }
    println!("{bytes}");
    drop(blocks);
    Ok(())
}

type Block = Box<[u8; 64]>;

/// Five turns, each into one of eight functions that exist once per turn: 32,768
/// ways to the same allocation, over forty functions and what is inlined there.
type Turns = Turn<Turn<Turn<Turn<Turn<Arrived>>>>>;

struct Turn<Next>(PhantomData<Next>);
struct Arrived;

trait Way {
    fn walk(path: u32) -> Block;
}

fn walk<W: Way>(path: u32) -> Block {
    W::walk(path)
}

impl Way for Arrived {
    #[inline(never)]
    fn walk(path: u32) -> Block {
        Box::new([black_box(path) as u8; 64])
    }
}

impl<Next: Way> Way for Turn<Next> {
    fn walk(path: u32) -> Block {
        let on = path / 8;
        match path % 8 {
            0 => through::<0, Next>(on),
            1 => through::<1, Next>(on),
            2 => through::<2, Next>(on),
            3 => through::<3, Next>(on),
            4 => through::<4, Next>(on),
            5 => through::<5, Next>(on),
            6 => through::<6, Next>(on),
            _ => through::<7, Next>(on),
        }
    }
}

/// `DOOR` is used, or the linker's and compiler's merging of equal functions
/// would make one of eight.
#[inline(never)]
fn through<const DOOR: u32, Next: Way>(path: u32) -> Block {
    let block = Next::walk(path);
    black_box(DOOR);
    block
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
