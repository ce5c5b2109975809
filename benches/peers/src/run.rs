//! Runs the programs, in turn.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::Result;
use crate::build::Program;
use crate::figures::{Figures, Run, Workload};
use crate::load;
use crate::statistics::median;

/// The workload that is driven from outside.
pub(crate) const SERVER: &str = "server";

/// Of one workload, or of all.
pub(crate) fn rounds(
    programs: &[Program],
    rounds: usize,
    workload: Option<&str>,
) -> Result<Figures> {
    let first = programs.first().ok_or("nothing was built")?;
    let mut workloads = workloads(first)?;
    workloads.retain(|known| workload.is_none_or(|name| known.name == name));
    if workloads.is_empty() {
        return Err("no workload is called that".into());
    }
    let mut figures = Figures::new(workloads);
    figures.rounds = rounds;
    for round in 1..=rounds {
        for workload in figures.workloads.clone() {
            eprint!("\rround {round} of {rounds}: {:20}", workload.name);
            for program in programs {
                let run = one(program, &workload, round).map_err(|error| {
                    format!("{}, {}: {error}", program.contender.name, workload.name)
                })?;
                figures.push(&program.contender, &workload, run);
            }
        }
    }
    eprintln!();
    Ok(figures)
}

/// The contenders all have the same workloads; one of them is asked.
fn workloads(program: &Program) -> Result<Vec<Workload>> {
    let listing = String::from_utf8(Command::new(&program.path).output()?.stdout)?;
    let workload = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        let (name, kind, operation) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Workload {
            name,
            operation,
            counts: kind != "Bare",
        })
    };
    Ok(listing.lines().filter_map(workload).collect())
}

/// In one round, every program meets the same layouts.
fn one(program: &Program, workload: &Workload, round: usize) -> Result<Run> {
    let mut command = Command::new(&program.path);
    command
        .args([&workload.name, &round.to_string()])
        .env_remove("HEAPPROF_SAMPLE_INTERVAL")
        .envs(program.contender.environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Some tell about themselves; what they say is of interest if they fail.
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no standard output")?);
    let mut driven = None;
    if workload.name == SERVER {
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let address = line.trim().strip_prefix("address ").ok_or("no address")?;
        driven = Some(load::drive(address.parse()?)?);
    }
    // Its end is what ends a server.
    drop(child.stdin.take());
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    let ended = child.wait_with_output()?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(format!("{}\n{said}", ended.status).into());
    }
    let numbers = |name: &str| -> Result<Vec<f64>> {
        let values = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(values
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?)
    };
    let number = |name: &str| numbers(name).map(median);
    let peak_kib = number("peak_kib")?;
    Ok(match driven {
        Some(driven) => Run {
            ns: median(driven.ns),
            peak_kib,
            server: Some((number("cpu_ns")? / driven.requests as f64, driven.latencies)),
        },
        None => Run {
            ns: number("ns")?,
            peak_kib,
            server: None,
        },
    })
}
