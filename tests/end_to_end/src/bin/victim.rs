//! A program that lives through what its arguments ask for, then writes a
//! profile and reports. See `tests/broken_programs.rs`.
//!
//! `victim PROFILE [delete-own-file] [file-limit=BYTES] [unsymbolized]`

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use heapprof::{Alloc, PprofOptions, Snapshot, Symbols};
use heapprof_end_to_end::Block;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

fn main() -> ExitCode {
    let held = victim_holds();
    let result = run();
    // Still there, whatever became of the profile.
    println!("held {}", held.iter().map(Block::size).sum::<usize>());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the profile has to show: 16 blocks of 1,000 bytes.
#[inline(never)]
fn victim_holds() -> Vec<Block> {
    let mut held = Vec::with_capacity(16);
    for _ in 0..16 {
        held.push(Block::new(black_box(1_000)));
    }
    held
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let profile = PathBuf::from(
        arguments
            .next()
            .ok_or("no path for the profile was given")?,
    );
    let mut unsymbolized = false;
    for argument in arguments {
        match argument.split_once('=') {
            None if argument == "delete-own-file" => fs::remove_file(env::current_exe()?)?,
            None if argument == "unsymbolized" => unsymbolized = true,
            Some(("file-limit", bytes)) => limit_files(bytes.parse()?)?,
            _ => return Err(format!("{argument}?").into()),
        }
    }
    println!("interval {}", heapprof::sample_interval());
    let snapshot = Snapshot::take()?;
    println!(
        "invalid environment {}",
        snapshot.stats().invalid_environment
    );
    if unsymbolized {
        let options = PprofOptions::default().symbols(Symbols::None);
        snapshot.write_pprof(&mut File::create(profile)?, options)?;
    } else {
        heapprof::dump_heap_to(profile)?;
    }
    Ok(())
}

/// From now on no file of this process may become larger, as on a full disk.
fn limit_files(bytes: u64) -> Result<(), Box<dyn Error>> {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: changes this process alone, and `limit` outlives the call. The
    // signal would end the process before `write` could say what is wrong.
    let failed = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &limit) != 0
    };
    if failed {
        Err(std::io::Error::last_os_error().into())
    } else {
        Ok(())
    }
}
