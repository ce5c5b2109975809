//! What a sample costs, and whether it costs more the more is recorded.
//!
//!     cargo bench --bench sample_cost
//!     cargo bench --bench sample_cost -- 15       # rounds
//!
//! A sample is an allocation that a mark fell on, and its free. Its cost is the
//! difference to the same work with sampling off, in another process that runs the
//! same code. First one stack of twelve frames, over and over. Then blocks that are
//! replaced at random, from stacks at random, so that nothing is where the
//! processor has it at hand: by the number of live samples, and by that of stacks.
//!
//! It reports and never judges: wall time on a shared machine is no test. It fails
//! only if a sample was lost, or another stack measured than it says.

mod ways;

use std::error::Error;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Instant;

use heapprof::{Snapshot, StackEnd};
use ways::descend;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_memory_limit(1 << 30);

const DEFAULT_ROUNDS: usize = 7;

/// Of the one stack.
const FRAMES: usize = 12;
/// Between `main` and an allocation, where stacks are many.
const CALLS: usize = 5;

const FEW: usize = 1_000;
const COUNTS: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, child, work @ ..] = args.as_slice()
        && child == "child"
    {
        return Work::from_args(work)?.measure();
    }
    let rounds = args
        .iter()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);

    let lines = lines()?;
    // Off, on, and the difference for each sample; by line and round.
    let mut figures: Vec<[Vec<f64>; 3]> = lines.iter().map(|_| Default::default()).collect();
    for round in 0..rounds {
        eprint!("\rround {} of {rounds} ", round + 1);
        for (line, figures) in lines.iter().zip(&mut figures) {
            let off = line.work.run("0")?;
            let on = line.work.run(line.interval)?;
            figures[0].push(off.nanoseconds);
            figures[1].push(on.nanoseconds);
            figures[2].push((on.nanoseconds - off.nanoseconds) / on.samples);
        }
    }
    eprintln!();

    println!("{:40}{:>9}{:>9}{:>10}", "", "off, ns", "on, ns", "a sample");
    for (line, figures) in lines.iter().zip(figures) {
        let [off, on, sample] = figures.map(median);
        println!("{:40}{off:9.1}{on:9.1}{sample:10.1}", line.label);
    }
    println!(
        "\nMedians of {rounds} rounds. Off, on: to allocate and free a block. A sample: how much"
    );
    println!("more that takes, for each block that is sampled.");
    Ok(())
}

/// A line of the table.
struct Line {
    label: String,
    work: Work,
    interval: &'static str,
}

fn lines() -> Result<Vec<Line>, Box<dyn Error>> {
    let replacement = |live, stacks| Work {
        bytes: 64,
        calls: CALLS,
        live,
        stacks,
    };
    let frames_above = replacement(1, 1).run("1")?.frames - CALLS;
    let single = |bytes| Work {
        calls: FRAMES - frames_above,
        bytes,
        ..replacement(1, 1)
    };
    let every_one = |label, work| Line {
        label,
        work,
        interval: "1",
    };
    let mut lines = vec![
        every_one(format!("{FRAMES} frames, 64 B"), single(64)),
        // With other work between, at the default interval.
        Line {
            label: format!("{FRAMES} frames, 24 KiB, one in 22"),
            work: single(24 << 10),
            interval: "524288",
        },
    ];
    lines.extend(COUNTS.map(|count| {
        let (live, stacks) = (count * 10, 100);
        let label = format!("{live} live samples, {stacks} stacks");
        every_one(label, replacement(live, stacks))
    }));
    lines.extend(COUNTS.map(|stacks| {
        let label = format!("{stacks} stacks, {FEW} live samples");
        every_one(label, replacement(FEW, stacks))
    }));
    Ok(lines)
}

/// What a process does.
struct Work {
    /// Of a block.
    bytes: usize,
    calls: usize,
    /// Blocks, of which one after the other is replaced.
    live: usize,
    stacks: usize,
}

/// What it prints.
struct Figures {
    /// Of one operation.
    nanoseconds: f64,
    /// Of one operation.
    samples: f64,
    /// Of the stacks; 0 where nothing was sampled.
    frames: usize,
}

impl Work {
    fn from_args(args: &[String]) -> Result<Self, Box<dyn Error>> {
        let numbers: Result<Vec<usize>, _> = args.iter().map(|arg| arg.parse()).collect();
        let [bytes, calls, live, stacks] = numbers?[..] else {
            return Err("a child is told four numbers".into());
        };
        Ok(Self {
            bytes,
            calls,
            live,
            stacks,
        })
    }

    /// Does it in a process of its own.
    fn run(&self, interval: &str) -> Result<Figures, Box<dyn Error>> {
        let numbers = [self.bytes, self.calls, self.live, self.stacks];
        let child = Command::new(std::env::current_exe()?)
            .arg("child")
            .args(numbers.map(|number| number.to_string()))
            .env("HEAPPROF_SAMPLE_INTERVAL", interval)
            .stderr(Stdio::inherit())
            .output()?;
        if !child.status.success() {
            return Err(format!("{numbers:?}: {}", child.status).into());
        }
        let printed = String::from_utf8(child.stdout)?;
        let [nanoseconds, samples, frames] = printed.split_whitespace().collect::<Vec<_>>()[..]
        else {
            return Err(format!("{numbers:?}: {printed}").into());
        };
        Ok(Figures {
            nanoseconds: nanoseconds.parse()?,
            samples: samples.parse()?,
            frames: frames.parse()?,
        })
    }

    /// Does it, and prints the [`Figures`].
    fn measure(&self) -> Result<(), Box<dyn Error>> {
        // Short ones: of a machine that others use as well, a scheduler gives and
        // takes milliseconds, and most batches are to know nothing of it.
        const BATCHES: usize = 401;
        const OPERATIONS: usize = 500;
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        blocks.resize_with(self.live, Vec::new);
        let mut random = 0x9E37_79B9_7F4A_7C15;
        // From every stack once, then into every place.
        for stack in 0..self.stacks.max(self.live) {
            self.replace(&mut blocks[stack % self.live], stack % self.stacks);
        }
        let samples_before = Snapshot::take()?.stats().samples;
        let mut batches = Vec::with_capacity(BATCHES);
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..OPERATIONS {
                let (block, stack) = (next(&mut random), next(&mut random));
                self.replace(&mut blocks[block % self.live], stack % self.stacks);
            }
            batches.push(start.elapsed().as_secs_f64() * 1e9 / OPERATIONS as f64);
        }
        let snapshot = Snapshot::take()?;
        let samples = snapshot.stats().samples - samples_before;
        let frames = self.frames(&snapshot)?;
        let done = (BATCHES * OPERATIONS) as f64;
        println!("{} {} {frames}", median(batches), samples as f64 / done);
        Ok(())
    }

    /// The length of every stack that was sampled.
    fn frames(&self, snapshot: &Snapshot) -> Result<usize, Box<dyn Error>> {
        let stats = snapshot.stats();
        if (stats.lost_samples, stats.missing_stacks) != (0, 0) {
            return Err(format!("not everything was recorded: {stats:?}").into());
        }
        if heapprof::sample_interval() == 0 {
            return Ok(0);
        }
        let records = snapshot.records().iter();
        let ours = records.filter(|record| {
            record.object_size() == self.bytes as u64 && record.allocated().samples > 1
        });
        let mut lengths: Vec<usize> = ours
            .filter(|record| record.stack_end() == StackEnd::Root)
            .map(|record| record.stack().len())
            .collect();
        lengths.sort_unstable();
        lengths
            .get(lengths.len() / 2)
            .copied()
            .ok_or_else(|| "no stack was recorded".into())
    }

    #[inline(never)]
    fn replace(&self, block: &mut Vec<u8>, stack: usize) {
        descend(self.calls, stack, &mut || {
            *block = black_box(Vec::with_capacity(self.bytes));
        });
    }
}

/// Xorshift (Marsaglia, 2003).
fn next(random: &mut u64) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 20) as usize
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
