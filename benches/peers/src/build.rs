//! Has cargo build the contenders, each alone: what one needs is not to change
//! how another is built.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::contenders::Contender;
use crate::{Result, root};

/// Every function begins on a cache line, in every program: where a linker happens
/// to put them is 10 % of an allocation that takes 5 ns.
const ALIGNED: &str = "-C llvm-args=-align-all-functions=6";

/// The contenders that could be built, and why others could not.
pub(crate) struct Built {
    pub(crate) programs: Vec<Program>,
    pub(crate) missing: Vec<(Contender, String)>,
    /// The library with the workloads, as it was built without frame pointers: one
    /// file, if it was compiled once.
    pub(crate) workloads: Vec<PathBuf>,
}

pub(crate) struct Program {
    pub(crate) contender: Contender,
    pub(crate) path: PathBuf,
}

pub(crate) fn all(contenders: &[Contender]) -> Result<Built> {
    let mut built = Built {
        programs: Vec::new(),
        missing: Vec::new(),
        workloads: Vec::new(),
    };
    for contender in contenders {
        match one(contender)? {
            Ok((path, workloads)) => {
                built.programs.push(Program {
                    contender: *contender,
                    path,
                });
                if !contender.frame_pointers && !built.workloads.contains(&workloads) {
                    built.workloads.push(workloads);
                }
            }
            Err(reason) => built.missing.push((*contender, reason)),
        }
    }
    Ok(built)
}

/// The program and the workloads' library, or what the compiler said.
fn one(contender: &Contender) -> Result<std::result::Result<(PathBuf, PathBuf), String>> {
    let Contender {
        package,
        program,
        features,
        frame_pointers,
        ..
    } = contender;
    // Features may differ between builds of one program, so each has a folder of
    // its own; what does not differ is built once in each.
    let target = root().join("target/peers").join(if *frame_pointers {
        "frame-pointers"
    } else {
        "stock"
    });
    let flags = if *frame_pointers {
        format!("{ALIGNED} -C force-frame-pointers=yes")
    } else {
        ALIGNED.to_owned()
    };
    eprintln!("building {}", contender.name);
    let output = Command::new("cargo")
        .current_dir(root().join(package))
        .args(["build", "--profile", "bench", "--bin", program])
        .args(["--features", features])
        .args(["--message-format", "json-render-diagnostics"])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", flags)
        .stderr(Stdio::piped())
        .output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let reason = text.lines().find(|line| line.starts_with("error"));
        return Ok(Err(reason.unwrap_or("cargo failed").to_owned()));
    }
    let mut executable = None;
    let mut workloads = None;
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        let is_workloads = message["target"]["name"] == "workloads";
        if let Some(path) = message["executable"].as_str() {
            executable = Some(PathBuf::from(path));
        } else if let Some(path) = message["filenames"][0].as_str().filter(|_| is_workloads) {
            workloads = Some(PathBuf::from(path));
        }
    }
    let executable = executable.ok_or("cargo names no program")?;
    // The next build may replace it.
    let kept = executable.with_file_name(file_name(contender));
    std::fs::copy(&executable, &kept)?;
    Ok(Ok((kept, workloads.ok_or("cargo names no workloads")?)))
}

fn file_name(contender: &Contender) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(
        "contender_{}",
        contender.name.chars().map(plain).collect::<String>()
    )
}
