//! The published mini-redis server under heapprof, loaded by its own client.
//!
//!     cargo run --release -p mini_redis_server             # load, dump, say who holds what
//!     go tool pprof -top mini-redis.pb.gz
//!     cargo run --release -p mini_redis_server -- check    # is that true?
//!
//! `check` puts the same load on two fresh servers, one sampled at the default
//! interval and one at interval 1, which counts every byte. An owner is the
//! innermost function of mini-redis on the stack that allocated. The load leaves
//! the same bytes with each owner every time, so what differs is sampling error:
//! the check allows an owner 10 % if its expected error is small enough for that
//! to mean something, and four standard errors otherwise.

mod load;
mod owners;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, ExitCode, Stdio};

use owners::Owner;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const MIB: f64 = 1024.0 * 1024.0;
const DEFAULT_INTERVAL: u64 = 512 * 1024;
/// What an owner's bytes may be off by.
const TOLERANCE: f64 = 0.10;
/// Owners of less than this share of the heap are summed up in one line.
const NOTABLE: f64 = 0.01;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => serve_and_dump().map(|()| ExitCode::SUCCESS),
        Some("check") => check(),
        Some("owners") => print_owners().map(|()| ExitCode::SUCCESS),
        Some(_) => Err("no argument, or `check`".into()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn serve_and_dump() -> Result<()> {
    load::under_load(|| {
        heapprof::dump_heap_to("mini-redis.pb.gz")?;
        println!("In use, MiB:");
        for site in heapprof::Snapshot::take()?.top_sites(5, heapprof::View::InUse) {
            println!(
                "  {:8.1}  {}",
                site.in_use.bytes as f64 / MIB,
                site.function
            );
        }
        println!("\nWritten: mini-redis.pb.gz. Look into it with");
        println!("  go tool pprof -top -cum -focus mini_redis mini-redis.pb.gz");
        Ok(())
    })
}

/// What `check` has its two servers do: the owners, one a line.
fn print_owners() -> Result<()> {
    load::under_load(|| {
        let lost = heapprof::Snapshot::take()?.stats().lost_samples;
        if lost > 0 {
            return Err(format!("{lost} samples lost: the figures would not be exact").into());
        }
        for (name, owner) in owners::of_profile(&heapprof::dump_heap()?)? {
            println!("{} {} {name}", owner.bytes, owner.variance);
        }
        Ok(())
    })
}

fn check() -> Result<ExitCode> {
    let exact = owners_at(1)?;
    let sampled = owners_at(DEFAULT_INTERVAL)?;
    let total = exact.values().map(|owner| owner.bytes).sum::<f64>();

    println!(
        "{:>10}{:>10}{:>9}{:>11}  owner (MiB)",
        "exact", "sampled", "off by", "std. error"
    );
    let mut good = true;
    let mut rest = (Owner::default(), Owner::default());
    for (name, owner) in &exact {
        let estimate = sampled.get(name).copied().unwrap_or_default();
        if owner.bytes < NOTABLE * total {
            rest.0.add(owner);
            rest.1.add(&estimate);
        } else {
            good &= compare(name, owner, &estimate);
        }
    }
    for (_, estimate) in sampled
        .iter()
        .filter(|(name, _)| !exact.contains_key(*name))
    {
        rest.1.add(estimate);
    }
    print_line("(all others)", &rest.0, &rest.1, "");
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints a line and says whether the estimate is as near as it should be.
fn compare(name: &str, exact: &Owner, estimate: &Owner) -> bool {
    let standard_error = exact.variance.sqrt();
    let judged_by_tolerance = 3.0 * standard_error <= TOLERANCE * exact.bytes;
    let allowed = if judged_by_tolerance {
        TOLERANCE * exact.bytes
    } else {
        4.0 * standard_error
    };
    let good = (estimate.bytes - exact.bytes).abs() <= allowed;
    let verdict = match (good, judged_by_tolerance) {
        (true, true) => "within 10 %",
        (true, false) => "within 4 standard errors",
        (false, _) => "WRONG",
    };
    print_line(name, exact, estimate, verdict);
    good
}

fn print_line(name: &str, exact: &Owner, estimate: &Owner, verdict: &str) {
    let percent = |bytes: f64| 100.0 * bytes / exact.bytes;
    println!(
        "{:10.1}{:10.1}{:+8.1}%{:10.1}%  {name}  {verdict}",
        exact.bytes / MIB,
        estimate.bytes / MIB,
        percent(estimate.bytes - exact.bytes),
        percent(exact.variance.sqrt()),
    );
}

/// The owners in a fresh process at the given interval.
fn owners_at(interval: u64) -> Result<BTreeMap<String, Owner>> {
    let server = Command::new(std::env::current_exe()?)
        .arg("owners")
        .env("HEAPPROF_SAMPLE_INTERVAL", interval.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    if !server.status.success() {
        return Err(format!("the server at interval {interval}: {}", server.status).into());
    }
    let mut owners = BTreeMap::new();
    for line in String::from_utf8(server.stdout)?.lines() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().ok_or("a line of three words");
        let owner = Owner {
            bytes: word()?.parse()?,
            variance: word()?.parse()?,
        };
        owners.insert(word()?.to_owned(), owner);
    }
    Ok(owners)
}
