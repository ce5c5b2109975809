//! Builds one program in every way that matters to a profiler, runs it, and holds
//! its profile against what `docs/BUILDS.md` says of such a build.
//!
//! `cargo xtask builds [quick | NAME...]`

mod build;
mod builds;
mod gives;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use builds::{BUILDS, Build};
use gives::Gives;

/// A failure, in words.
type Result<T> = std::result::Result<T, String>;

/// Where things are.
struct Place {
    root: PathBuf,
    /// Everything is built below here, by one set of build scripts and macros.
    target: PathBuf,
}

impl Place {
    fn locate() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .ancestors()
            .nth(2)
            .expect("tests/builds is in the workspace");
        let target = env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        Self {
            target: root.join(target).join("builds"),
            root: root.to_owned(),
        }
    }
}

fn main() -> ExitCode {
    let chosen: Vec<String> = env::args().skip(1).collect();
    let is_chosen = |build: &&Build| match chosen.as_slice() {
        [] => true,
        [quick] if quick == "quick" => build.is_quick,
        names => names.iter().any(|name| name == build.name),
    };
    let builds: Vec<&Build> = BUILDS.iter().filter(is_chosen).collect();
    if builds.is_empty() || (chosen.len() > 1 && builds.len() != chosen.len()) {
        let names: Vec<_> = BUILDS.iter().map(|build| build.name).collect();
        eprintln!("builds: none, quick, or some of: {}", names.join(" "));
        return ExitCode::from(2);
    }
    let place = Place::locate();
    let document = fs::read_to_string(place.root.join("docs/BUILDS.md")).unwrap_or_default();
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for build in builds {
        println!("\n== {}", build.name);
        let start = Instant::now();
        match run(&place, build) {
            Ok(gives) => {
                let row = format!("| {} | {gives} |", build.what);
                println!("{row}\n{:.1} s", start.elapsed().as_secs_f64());
                if !document.lines().any(|line| line == row) {
                    failures.push(format!("{}: docs/BUILDS.md says otherwise", build.name));
                }
                rows.push(row);
            }
            Err(failure) => {
                println!("FAILED: {failure}");
                failures.push(format!("{}: {failure}", build.name));
            }
        }
    }
    println!("\n{}\n{}", Gives::HEADER, rows.join("\n"));
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("\n{}", failures.join("\n"));
    ExitCode::FAILURE
}

fn run(place: &Place, build: &Build) -> Result<Gives> {
    let profiles = build::run(place, build)?;
    if let Some(freed) = &profiles.freed {
        gives::check_freed(freed)?;
    }
    Gives::of(&profiles.held)
}
