//! heapprof beside its peers.
//!
//!     cargo run --release -p peers                     # 11 rounds
//!     cargo run --release -p peers -- compare 31       # more rounds
//!     cargo run --release -p peers -- intervals 11     # heapprof from 512 KiB to 4 KiB
//!     cargo run --release -p peers -- intervals 11 json
//!
//! Every contender is a program of its own that runs the same compiled workloads
//! (`benches/workloads`). They run in turn, A B C A B C …, so that a machine that
//! slows down slows all of them down. Each round sets a figure against that of the
//! same allocator without profiling; the tables show medians over the rounds with
//! bootstrap intervals. `compare` writes `BENCHMARKS.md`, with every run beside it
//! in `benches/peers/runs.csv`.
//!
//! It reports and never judges: wall time on a shared machine is no test.

mod benches;
mod build;
mod contenders;
mod figures;
mod load;
mod machine;
mod report;
mod run;
mod statistics;
mod targets;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const DEFAULT_ROUNDS: usize = 11;

const USAGE: &str =
    "usage: cargo run --release -p peers [-- compare [ROUNDS] | intervals [ROUNDS [WORKLOAD]]]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rounds = match arguments.get(1) {
        None => Some(DEFAULT_ROUNDS),
        Some(rounds) => rounds.parse().ok().filter(|&rounds| rounds > 0),
    };
    let result = match (arguments.as_slice(), rounds) {
        ([] | ["compare"] | ["compare", _], Some(rounds)) => compare(rounds),
        (["intervals"] | ["intervals", _], Some(rounds)) => intervals(rounds, None),
        (["intervals", _, workload], Some(rounds)) => intervals(rounds, Some(workload)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(rounds: usize) -> Result {
    let built = build::all(contenders::ALL)?;
    let figures = run::rounds(&built.programs, rounds, None)?;
    let benches = benches::run_all()?;
    let text = report::comparison(&built, &figures, &benches)?;
    figures.write_csv(&root().join("benches/peers/runs.csv"))?;
    std::fs::write(root().join("BENCHMARKS.md"), &text)?;
    println!("{text}");
    Ok(())
}

fn intervals(rounds: usize, workload: Option<&str>) -> Result {
    let built = build::all(contenders::INTERVALS)?;
    let figures = run::rounds(&built.programs, rounds, workload)?;
    println!("{}", report::intervals(&built, &figures)?);
    Ok(())
}

/// The workspace's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
