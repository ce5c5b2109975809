//! The other benchmarks: what cannot be set against a peer.

use std::process::{Command, Stdio};

use crate::{Result, root};

/// A benchmark that ran.
pub(crate) struct Ran {
    pub(crate) title: &'static str,
    /// What is wanted.
    pub(crate) target: &'static str,
    /// Of cargo.
    pub(crate) command: &'static [&'static str],
    pub(crate) printed: String,
}

const ALL: [(&str, &str, &[&str]); 4] = [
    (
        "What a sample costs",
        "Targets: at 12 frames at most 600 ns, its free included; no more work the more is recorded (what grows is \
         the time that memory takes).",
        &["bench", "--bench", "sample_cost"],
    ),
    (
        "What memory it takes",
        "Targets: at most 1.5 % of a heap of 1 GiB in objects of 64 B, and 4 MiB; linear in samples and stacks.",
        &["bench", "--bench", "memory"],
    ),
    (
        "What a dump takes",
        "Target: 30,000 stacks without symbols in at most 300 ms.",
        &["bench", "--bench", "dump"],
    ),
    (
        "What symbols take",
        "Targets, of a program with more than 50 MB of debug information: at most 1 s and 64 MiB the first time, at \
         most 50 ms later; names alone 50 ms and 4 MiB.",
        &["run", "--profile", "full-debug", "-p", "debug_info"],
    ),
];

pub(crate) fn run_all() -> Result<Vec<Ran>> {
    let run = |(title, target, command): (_, _, &'static [&'static str])| {
        eprintln!("cargo {}", command.join(" "));
        let output = Command::new("cargo")
            .current_dir(root())
            .args(command)
            .stderr(Stdio::piped())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo {}: {said}", command.join(" ")).into());
        }
        Ok(Ran {
            title,
            target,
            command,
            printed: String::from_utf8(output.stdout)?.trim_end().to_owned(),
        })
    };
    ALL.into_iter().map(run).collect()
}
