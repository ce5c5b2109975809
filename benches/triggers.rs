//! What dumps without being asked cost: how long one on a threshold takes, by the
//! number of unique stacks, and what the helper thread takes while it waits.
//!
//!     cargo bench --bench triggers
//!     cargo bench --bench triggers -- 9              # rounds
//!
//! Stacks are never forgotten, so every figure comes from a fresh process. The time
//! of a dump is from when the threshold was noticed until the file had its name;
//! that is at most 100 ms after it was passed, and 5 ms where memory grows
//! steadily. The helper's time is the scheduler's account of it.
//!
//! It reports and never judges: wall time on a shared machine is no test.

#[path = "ways.rs"]
mod ways;

use std::error::Error;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use heapprof::Threshold;
use ways::descend;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const DEFAULT_ROUNDS: usize = 5;
const STACKS: [usize; 4] = [100, 1_000, 10_000, 30_000];
/// Calls of each stack: with those around them, some twenty frames.
const CALLS: usize = 14;

/// How long the helper's time is counted.
const WAITING: Duration = Duration::from_secs(5);

/// Never reached.
const FAR: Threshold = Threshold::bytes(1 << 50);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    if let [_, child, what, stacks] = args.as_slice()
        && child == "child"
    {
        return measure(what, stacks.parse()?);
    }
    let rounds = args
        .iter()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);
    println!(
        "{:>7}{:>10}{:>10}{:>12}{:>24}{:>22}",
        "stacks",
        "dump, ms",
        "slowest",
        "bytes",
        "resident watched, % CPU",
        "in use watched, % CPU"
    );
    for stacks in STACKS {
        let mut dumps = figures("dump", stacks, rounds)?;
        dumps.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [middle, last] = [&dumps[dumps.len() / 2], &dumps[dumps.len() - 1]];
        let idle = |what| figures(what, stacks, 1).map(|figures| figures[0][0]);
        let (resident, in_use) = (idle("resident")?, idle("in_use")?);
        println!(
            "{stacks:>7}{:>10.2}{:>10.2}{:>12.0}{resident:>24.4}{in_use:>22.4}",
            middle[0], last[0], middle[1]
        );
    }
    println!("\nMedians and the slowest of {rounds} processes each.");
    Ok(())
}

/// What so many fresh processes print.
fn figures(what: &str, stacks: usize, rounds: usize) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        let child = Command::new(env::current_exe()?)
            .args(["child", what, &stacks.to_string()])
            .env_remove("HEAPPROF_SAMPLE_INTERVAL")
            .env_remove("HEAPPROF_DUMP")
            .stderr(Stdio::inherit())
            .output()?;
        if !child.status.success() {
            return Err(format!("{what}, {stacks} stacks: {}", child.status).into());
        }
        let text = String::from_utf8(child.stdout)?;
        all.push(
            text.split_whitespace()
                .map(str::parse)
                .collect::<Result<_, _>>()?,
        );
    }
    Ok(all)
}

fn measure(what: &str, stacks: usize) -> Result<(), Box<dyn Error>> {
    heapprof::set_sample_interval(1)?;
    let mut blocks = Vec::with_capacity(stacks);
    for way in 0..stacks {
        descend(CALLS, way, &mut || {
            blocks.push(Box::new([black_box(1_u8); 64]))
        });
    }
    heapprof::set_sample_interval(0)?;
    match what {
        "dump" => measure_dump()?,
        "resident" => measure_helper(heapprof::triggers().on_resident(Threshold::percent(100)))?,
        _ => measure_helper(heapprof::triggers().on_in_use(FAR))?,
    }
    drop(blocks);
    Ok(())
}

/// Prints the milliseconds of a dump, and its bytes.
fn measure_dump() -> Result<(), Box<dyn Error>> {
    let folder = env::temp_dir().join(format!("heapprof-bench-{}", std::process::id()));
    let threshold = Threshold::bytes(256 << 20);
    let triggers = heapprof::triggers()
        .on_resident(threshold)
        .folder(&folder)
        .start()?;
    let grown = black_box(vec![1_u8; 300 << 20]);
    let start = Instant::now();
    let status = loop {
        let status = triggers.status();
        if status.dumps > 0 {
            break status;
        }
        if start.elapsed() > Duration::from_secs(10) {
            return Err(format!("no dump: {status:?}").into());
        }
        thread::sleep(Duration::from_millis(1));
    };
    drop(grown);
    triggers.stop();
    let file = status.last_file.ok_or("no file")?;
    println!(
        "{} {}",
        status.last_file_took.as_secs_f64() * 1e3,
        fs::metadata(file)?.len()
    );
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Prints how much of a processor the helper takes while nothing happens, in percent.
fn measure_helper(builder: heapprof::TriggersBuilder) -> Result<(), Box<dyn Error>> {
    let triggers = builder.folder(env::temp_dir()).start()?;
    thread::sleep(Duration::from_secs(1));
    let before = helper_time()?;
    thread::sleep(WAITING);
    let taken = helper_time()? - before;
    triggers.stop();
    println!("{}", taken.as_secs_f64() / WAITING.as_secs_f64() * 100.0);
    Ok(())
}

/// Time on a processor, by the scheduler.
fn helper_time() -> Result<Duration, Box<dyn Error>> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim_end() == "heapprof" {
            let account = fs::read_to_string(task.join("schedstat"))?;
            let nanos = account.split_whitespace().next().ok_or("no account")?;
            return Ok(Duration::from_nanos(nanos.parse()?));
        }
    }
    Err("there is no helper".into())
}
