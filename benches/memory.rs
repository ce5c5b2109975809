//! How much memory the profiler takes.
//!
//!     cargo bench --bench memory
//!     cargo bench --bench memory -- 9             # rounds
//!
//! First what a whole program takes more with it: a heap of 1 GiB in objects of 64
//! bytes, at the default interval, over each allocator, as the kernel counts it. The
//! same compiled program (`benches/workloads`) runs alone and wrapped, in turn.
//!
//! Then its own tables, by what is in them, at interval 1: what they take of the
//! address space, which the limit bounds, and what of that is resident.

mod contenders;
mod ways;

use std::error::Error;
use std::hint::black_box;
use std::process::{Command, Stdio};

use contenders::{ALLOCATORS, Contenders};
use heapprof::Snapshot;
use ways::descend;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_memory_limit(1 << 30);

const DEFAULT_ROUNDS: usize = 5;

const HEAP_MEBIBYTES: u32 = 1024;
/// What a heap of this size may take more: 1.5 % of it, and 4 MiB.
const ALLOWED_KIBIBYTES: f64 = (HEAP_MEBIBYTES << 10) as f64 * 0.015 + 4096.0;

/// Beside what grows.
const FEW: usize = 100;
const LIVE_SAMPLES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const STACKS: [usize; 3] = [1_000, 10_000, 100_000];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, child, live, stacks, calls] = args.as_slice()
        && child == "child"
    {
        return Recorded {
            live: live.parse()?,
            stacks: stacks.parse()?,
            calls: calls.parse()?,
        }
        .record();
    }
    let rounds = args
        .iter()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);
    compare_heaps(rounds)?;
    print_own_memory()
}

/// What a heap takes, alone and wrapped.
fn compare_heaps(rounds: usize) -> Result<(), Box<dyn Error>> {
    let contenders = Contenders::build()?;
    println!(
        "{:9}{:>12}{:>12}{:>16}{:>16}",
        "KiB", "alone", "wrapped", "more, at most", "more, at last"
    );
    for allocator in ALLOCATORS {
        let heap = |interval| -> Result<[f64; 2], Box<dyn Error>> {
            let args = ["live_heap", &HEAP_MEBIBYTES.to_string()];
            let printed = contenders.run(allocator, interval, &args)?;
            let figures: Result<Vec<f64>, _> = printed.split_whitespace().map(str::parse).collect();
            let [peak, current] = figures?[..] else {
                return Err(format!("{allocator}: {printed}").into());
            };
            Ok([peak, current])
        };
        // Alone, wrapped, and the differences.
        let mut figures = [const { Vec::new() }; 4];
        for _ in 0..rounds {
            let alone = heap(None)?;
            let wrapped = heap(Some("524288"))?;
            let more = [wrapped[0] - alone[0], wrapped[1] - alone[1]];
            for (figures, figure) in figures
                .iter_mut()
                .zip([alone[0], wrapped[0], more[0], more[1]])
            {
                figures.push(figure);
            }
        }
        let [alone, wrapped, peak, current] = figures.map(median);
        println!("{allocator:9}{alone:12.0}{wrapped:12.0}{peak:16.0}{current:16.0}");
    }
    println!("Allowed: {ALLOWED_KIBIBYTES:.0}. Medians of {rounds} rounds.\n");
    Ok(())
}

/// What the tables hold.
#[derive(Clone, Copy)]
struct Recorded {
    live: usize,
    stacks: usize,
    /// Calls between `main` and each allocation.
    calls: usize,
}

/// What they take, in bytes.
#[derive(Clone, Copy)]
struct Taken {
    own: f64,
    resident: f64,
    /// The length of the stacks.
    frames: usize,
}

fn print_own_memory() -> Result<(), Box<dyn Error>> {
    let shortest = Recorded {
        live: FEW,
        stacks: 1,
        calls: 1,
    };
    let frames_above = shortest.run()?.frames - 1;
    println!(
        "{:>12}{:>10}{:>8}{:>10}{:>10}{:>17}{:>10}",
        "live samples", "stacks", "frames", "own KiB", "resident", "bytes each: own", "resident"
    );
    let few = |frames| Recorded {
        live: FEW,
        stacks: FEW,
        calls: frames - frames_above,
    };
    let samples = LIVE_SAMPLES.map(|live| Recorded { live, ..few(16) });
    print_growth(few(16), &samples, |recorded| recorded.live)?;
    for frames in [16, 40] {
        let few = few(frames);
        let stacks = STACKS.map(|stacks| Recorded { stacks, ..few });
        print_growth(few, &stacks, |recorded| recorded.stacks)?;
    }
    Ok(())
}

/// A line for each of `many`; what each live sample or stack takes is told from the
/// difference to `few`.
fn print_growth(
    few: Recorded,
    many: &[Recorded],
    count: impl Fn(&Recorded) -> usize,
) -> Result<(), Box<dyn Error>> {
    let first = few.run()?;
    for recorded in many {
        let taken = recorded.run()?;
        let more = (count(recorded) - count(&few)) as f64;
        println!(
            "{:>12}{:>10}{:>8}{:>10.0}{:>10.0}{:>17.0}{:>10.0}",
            recorded.live,
            recorded.stacks,
            taken.frames,
            taken.own / 1024.0,
            taken.resident / 1024.0,
            (taken.own - first.own) / more,
            (taken.resident - first.resident) / more,
        );
    }
    Ok(())
}

impl Recorded {
    /// In a process of its own.
    fn run(self) -> Result<Taken, Box<dyn Error>> {
        let numbers = [self.live, self.stacks, self.calls];
        let child = Command::new(std::env::current_exe()?)
            .arg("child")
            .args(numbers.map(|number| number.to_string()))
            .env("HEAPPROF_SAMPLE_INTERVAL", "0")
            .stderr(Stdio::inherit())
            .output()?;
        let printed = String::from_utf8(child.stdout)?;
        match printed.split_whitespace().collect::<Vec<_>>()[..] {
            [own, resident, frames] if child.status.success() => Ok(Taken {
                own: own.parse()?,
                resident: resident.parse()?,
                frames: frames.parse()?,
            }),
            _ => Err(format!("{numbers:?}: {} {printed}", child.status).into()),
        }
    }

    /// Records it, and prints what that took.
    fn record(self) -> Result<(), Box<dyn Error>> {
        let mut blocks: Vec<Option<Block>> = Vec::new();
        blocks.resize_with(self.live, || None);
        // What the blocks take is taken before; the last one keeps it there.
        let places: Vec<Block> = (0..=self.live).map(|_| block()).collect();
        let _last = places.into_iter().next_back();
        let before = resident()?;
        heapprof::set_sample_interval(1)?;
        for number in 0..self.live.max(self.stacks) {
            descend(self.calls, number % self.stacks, &mut || {
                blocks[number % self.live] = Some(block());
            });
        }
        heapprof::set_sample_interval(0)?;
        let more = resident()? - before;

        let snapshot = Snapshot::take()?;
        let stats = snapshot.stats();
        let records = snapshot.records().iter();
        let mut lengths: Vec<usize> = records.map(|record| record.stack().len()).collect();
        if stats.lost_samples != 0 || lengths.len() < self.stacks {
            return Err(format!("not everything was recorded: {stats:?}").into());
        }
        lengths.sort_unstable();
        println!("{} {more} {}", stats.own_bytes, lengths[lengths.len() / 2]);
        Ok(())
    }
}

type Block = Box<[u8; 64]>;

#[inline(never)]
fn block() -> Block {
    black_box(Box::new([1; 64]))
}

/// Bytes of this process that are in memory.
fn resident() -> Result<i64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("the kernel does not say")?.parse::<i64>()? * 1024)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
