//! The accuracy of heapprof's figures.
//!
//!     cargo xtask accuracy                        # everything below, with fixed seeds
//!     cargo run --release -p accuracy -- study    # 4,000 runs of each mix; a few minutes
//!     cargo run --release -p accuracy -- study 100
//!     cargo run --release -p accuracy -- plots    # docs/ACCURACY.md and docs/accuracy-*.svg
//!
//! A study writes what it finds to `benches/accuracy/results/heapprof.tsv`.

use std::error::Error;

use accuracy::heapprof_profiler::Heapprof;
use accuracy::mix::MIXES;
use accuracy::study::study;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(0);

const RUNS: u64 = 4_000;

/// Runs are alike: what one frees serves the next, without page faults.
fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets options of the C library's allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let profiler = Heapprof::default();
    keep_freed_memory();
    let runs = std::env::args()
        .nth(2)
        .map_or(Ok(RUNS), |runs| runs.parse())?;
    for mix in MIXES {
        let start = std::time::Instant::now();
        for finding in study(mix, runs * mix.run_factor, &profiler) {
            println!(
                "{finding} {}",
                if finding.is_within_limits() { "" } else { "!" }
            );
        }
        println!("{:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}
