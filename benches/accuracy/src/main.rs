//! The accuracy of heapprof's figures.
//!
//!     cargo xtask accuracy                        # all of it, with fixed seeds
//!     cargo run --release -p accuracy -- study    # 4,000 runs of each mix, 2-3 minutes
//!     cargo run --release -p accuracy -- study 20000 "10 R"
//!     cargo run --release -p accuracy -- report   # docs/ACCURACY.md, docs/accuracy-*.svg
//!
//! A study prints what it finds and keeps it in `benches/accuracy/results/`, if it
//! is of all mixes. It fails if a figure is outside its limits.

use std::error::Error;
use std::process::ExitCode;

use accuracy::heapprof_profiler::Heapprof;
use accuracy::study::{Finding, Plan};
use accuracy::{keep_freed_memory, report};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(0);

const RUNS: u64 = 4_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["study", ref rest @ ..] => {
            keep_freed_memory();
            let findings = Plan::from_arguments(RUNS, rest)?.carry_out(&Heapprof::default())?;
            let good = findings.iter().all(Finding::is_within_limits);
            Ok(if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        ["report"] => {
            report::write()?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("usage: accuracy study [RUNS [MIX]] | report");
            Ok(ExitCode::from(2))
        }
    }
}
