//! What the profiler costs where it takes no sample, and what samples add to it.
//!
//!     cargo bench --bench alloc_path              # 11 rounds, about two minutes
//!     cargo bench --bench alloc_path -- 31        # more rounds
//!
//! Every contender is a program of its own (`benches/contenders`) that runs the
//! same compiled workloads (`benches/workloads`). They run in turn, A B C A B C …,
//! so that a machine that slows down slows all of them down. A program times
//! several batches; its figure is their median. In each round a figure is set
//! against that of the same allocator unwrapped, and the tables show the medians
//! over the rounds. Every batch that was timed is kept in `alloc_path.csv`.
//!
//! It reports and never judges: wall time on a shared machine is no test.

mod contenders;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use contenders::{ALLOCATORS, Contenders};

const DEFAULT_ROUNDS: usize = 11;

/// `HEAPPROF_SAMPLE_INTERVAL` under each heading; `None` is the allocator alone.
const INTERVALS: [(&str, Option<&str>); 4] = [
    ("unwrapped", None),
    ("off", Some("0")),
    ("512 KiB", Some("524288")),
    ("interval 1", Some("1")),
];

struct Workload {
    name: String,
    /// What one operation is.
    operation: String,
}

/// Nanoseconds per operation, by allocator, interval and round.
type Figures = [[Vec<f64>; INTERVALS.len()]; ALLOCATORS.len()];

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);
    let contenders = Contenders::build()?;
    let workloads = workloads(&contenders)?;

    let mut figures: Vec<Figures> = workloads.iter().map(|_| Figures::default()).collect();
    let mut csv = String::from("workload,allocator,interval,round,batch,ns_per_operation\n");
    for round in 0..rounds {
        eprint!("\rround {} of {rounds} ", round + 1);
        for (workload, figures) in workloads.iter().zip(&mut figures) {
            for (allocator, figures) in ALLOCATORS.iter().zip(figures) {
                for ((heading, interval), figures) in INTERVALS.iter().zip(figures) {
                    let batches = run(&contenders, allocator, *interval, workload)?;
                    for (batch, nanoseconds) in batches.iter().enumerate() {
                        writeln!(
                            csv,
                            "{},{allocator},{heading},{round},{batch},{nanoseconds}",
                            workload.name
                        )?;
                    }
                    figures.push(median(batches));
                }
            }
        }
    }
    eprintln!();

    for (workload, figures) in workloads.iter().zip(&figures) {
        print_table(workload, figures);
    }
    let csv_path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alloc_path.csv");
    std::fs::write(&csv_path, csv)?;
    println!(
        "\nMedians of {rounds} rounds; in brackets: against the same allocator unwrapped, per round."
    );
    println!("Every batch: {}", csv_path.display());
    Ok(())
}

/// The contenders all have the same workloads; one of them is asked for those that
/// only allocate.
fn workloads(contenders: &Contenders) -> Result<Vec<Workload>, Box<dyn Error>> {
    let listing = contenders.run(ALLOCATORS[0], None, &[])?;
    let workload = |line: &str| {
        let (name, rest) = line.split_once('\t')?;
        let (kind, operation) = rest.split_once('\t')?;
        (kind != "Application").then(|| Workload {
            name: name.to_owned(),
            operation: operation.to_owned(),
        })
    };
    Ok(listing.lines().filter_map(workload).collect())
}

/// Nanoseconds per operation of each batch.
fn run(
    contenders: &Contenders,
    allocator: &str,
    interval: Option<&str>,
    workload: &Workload,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let printed = contenders.run(allocator, interval, &[&workload.name])?;
    let batches = printed.lines().filter_map(|line| line.strip_prefix("ns "));
    Ok(batches.map(str::parse).collect::<Result<_, _>>()?)
}

fn print_table(workload: &Workload, figures: &Figures) {
    println!("\n{}: {}, ns", workload.name, workload.operation);
    print!("{:9}", "");
    for (heading, _) in INTERVALS {
        print!(
            "{heading:>if_first$}",
            if_first = if heading == "unwrapped" { 11 } else { 31 }
        );
    }
    println!();
    for (allocator, figures) in ALLOCATORS.iter().zip(figures) {
        let unwrapped = &figures[0];
        print!("{allocator:9}{:11.2}", median(unwrapped.clone()));
        for wrapped in &figures[1..] {
            let by_round = || wrapped.iter().zip(unwrapped);
            let difference = median(
                by_round()
                    .map(|(wrapped, unwrapped)| wrapped - unwrapped)
                    .collect(),
            );
            let ratio = median(
                by_round()
                    .map(|(wrapped, unwrapped)| wrapped / unwrapped)
                    .collect(),
            );
            let against = format!("({difference:+.2}, x{ratio:.3})");
            print!("{:11.2} {against:>19}", median(wrapped.clone()));
        }
        println!();
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
