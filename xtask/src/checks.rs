//! What `verify` and `soak` run beside the ordinary tests, each at the length that
//! they ask for.

use std::fs;
use std::path::Path;

use crate::command::Command;
use crate::workspace::Workspace;
use crate::{Failure, Result, Steps, cargo, tools};

/// The packages whose tests touch allocation, and hence depend on how the
/// optimizer treats it.
const PROFILER_PACKAGES: [&str; 6] = [
    "allocation-tests",
    "heapprof",
    "heapprof-end-to-end",
    "heapprof-hostile",
    "heapprof-interrupts",
    "heapprof-triggers",
];

/// One program in every way that matters, or in those that are chosen.
pub(crate) fn builds(workspace: &Workspace, steps: &mut Steps, chosen: &[&str]) -> Result {
    if chosen.is_empty() || chosen.contains(&"aarch64") {
        steps.run("tools for other targets", tools::install_cross)?;
    }
    let title = format!(
        "builds: {}",
        if chosen.is_empty() {
            "all".into()
        } else {
            chosen.join(" ")
        }
    );
    steps.run(&title, || {
        cargo(workspace)
            .args(["run", "--quiet", "--package", "heapprof-builds", "--"])
            .args(chosen)
            .run()
    })
}

/// What is parsed and was written by others: garbage made by a fuzzer that sees
/// what it reaches, so many seconds of each.
pub(crate) fn fuzz(workspace: &Workspace, steps: &mut Steps, seconds: &str) -> Result {
    for target in [
        "unwind",
        "kernel_texts",
        "environment",
        "elf_notes",
        "profile",
        "requests",
    ] {
        steps.run(&format!("fuzzer: {target}"), || {
            let [corpus, seeds] = ["corpus", "seeds"].map(|kind| format!("fuzz/{kind}/{target}"));
            fs::create_dir_all(workspace.root.join(&corpus))
                .map_err(|error| Failure(format!("{corpus}: {error}")))?;
            tools::cargo_fuzz(&workspace.target)?
                .current_dir(&workspace.root)
                .args(["run", target, &corpus, &seeds])
                .args(["--", "-max_len=3000", "-print_final_stats=1"])
                .args([format!("-max_total_time={seconds}")])
                // The instrumentation that it needs is not stable.
                .env("RUSTC_BOOTSTRAP", "1")
                .run()
        })?;
    }
    Ok(())
}

/// Everything at once, so many operations in each phase: at two million a second
/// on two cores, a minute for 20 million.
pub(crate) fn stress(workspace: &Workspace, operations: &str) -> Result {
    for program in ["stress", "stress_at_caps"] {
        cargo(workspace)
            .args([
                "run",
                "--release",
                "-p",
                "heapprof-hostile",
                "--bin",
                program,
            ])
            .args(["--", &format!("operations={operations}")])
            .run()?;
    }
    Ok(())
}

/// The tests of what depends on the optimizer, in a release build.
pub(crate) fn release_tests(workspace: &Workspace) -> Command {
    cargo(workspace)
        .args([
            "test",
            "--release",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ])
        .args(
            PROFILER_PACKAGES
                .iter()
                .flat_map(|package| ["-p", *package]),
        )
}

/// Runs the models of the lock-free tables. In a target directory of their own:
/// `--cfg loom` rebuilds every dependency.
pub(crate) fn loom(workspace: &Workspace, max_preemptions: &str) -> Result {
    let models = || {
        cargo(workspace)
            .args(["test", "--release", "-p", "heapprof", "--lib", "loom"])
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", workspace.target.join("loom"))
            .env("LOOM_MAX_PREEMPTIONS", max_preemptions)
    };
    // A filter that matches nothing passes, so the models are counted first.
    let list = models().args(["--", "--list"]).output()?;
    if !list.lines().any(|line| line.ends_with(": test")) {
        return Err(Failure(
            "no loom model was found; are they in modules named `loom`?".into(),
        ));
    }
    models().run()
}

/// Type-checks for a target that cannot be run here.
pub(crate) fn check_target(workspace: &Workspace, target: &str) -> Result {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let std = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(target)
        .join("lib");
    if !std.is_dir() {
        println!("Not checked: the standard library for {target} is not installed.");
        return Ok(());
    }
    cargo(workspace)
        .args([
            "check",
            "-p",
            "heapprof",
            "--all-features",
            "--target",
            target,
        ])
        .run()
}

/// The same where the standard library is not installed, but its sources are.
pub(crate) fn check_from_sources(workspace: &Workspace, target: &str) -> Result {
    Command::new("/usr/bin/cargo")
        .current_dir(&workspace.root)
        .args(["check", "-p", "heapprof", "--all-features"])
        .args(["-Zbuild-std=std,panic_abort", "--target", target])
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", workspace.target.join("builds"))
        .run()
}
