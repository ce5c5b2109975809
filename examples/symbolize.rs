//! Adds names to a profile that was written without them: what a dump on a
//! threshold leaves behind.
//!
//!     cargo run --release --example symbolize -- service.4711.*.resident.pb.gz [FILE...]
//!     go tool pprof -top "$(ls service.4711.*.resident.named.pb.gz | tail -1)"    # the last one
//!
//! Programs and libraries are found where they were, if they are still the same;
//! otherwise among the files given, by their build ids: those of another machine,
//! or unstripped copies.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn main() -> ExitCode {
    let is_profile = |path: &PathBuf| path.to_string_lossy().ends_with(".pb.gz");
    let arguments = env::args_os().skip(1).map(PathBuf::from);
    let (profiles, files): (Vec<_>, Vec<_>) = arguments.partition(is_profile);
    if profiles.is_empty() {
        eprintln!("usage: symbolize PROFILE.pb.gz... [PROGRAM or LIBRARY...]");
        return ExitCode::from(2);
    }
    for profile in profiles {
        match symbolize(&profile, &files) {
            Ok(named) => println!("{}", named.display()),
            Err(error) => {
                eprintln!("{}: {error}", profile.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Writes `NAME.named.pb.gz` beside `NAME.pb.gz`.
fn symbolize(profile: &Path, files: &[PathBuf]) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let named = heapprof::symbolize_pprof(&fs::read(profile)?, files)?;
    let path = profile.to_string_lossy();
    let path = PathBuf::from(format!("{}.named.pb.gz", path.trim_end_matches(".pb.gz")));
    fs::write(&path, named)?;
    Ok(path)
}
