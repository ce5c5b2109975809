//! The project's own commands.
//!
//! - `cargo xtask test`: everything that a change must not break.
//! - `cargo xtask verify`: what has to pass before a change lands; `.ci/run` is this.
//! - `cargo xtask builds [quick | NAME...]`: one program built in every way that
//!   matters, its profile held against `docs/BUILDS.md`; part of `verify` (quick) and
//!   of `soak` (all).
//! - `cargo xtask accuracy`: the study behind `docs/ACCURACY.md`, which it writes
//!   anew, tables and plots; some minutes.
//! - `cargo xtask gallery`: the pictures of `docs/`, made anew by the real tools.
//! - `cargo xtask viewer`: the flame graph's viewer, made anew from its packages.
//! - `cargo xtask soak`: the same tests at a hundred times the length, by hand.
//!
//! Each command is printed before it runs, and the first failure ends the run.

mod command;
mod gallery;
mod node_modules;
mod package;
mod sanitizers;
mod tools;
mod workspace;

use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fmt};

use command::Command;
use workspace::Workspace;

/// What failed, in words for the person who runs the command.
struct Failure(String);

type Result<T = ()> = std::result::Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const USAGE: &str = "usage: cargo xtask test | verify | builds [quick | NAME...] | accuracy | gallery | viewer | soak";

/// The packages whose tests touch allocation, and hence depend on how the
/// optimizer treats it.
const PROFILER_PACKAGES: [&str; 12] = [
    "-p",
    "allocation-tests",
    "-p",
    "heapprof",
    "-p",
    "heapprof-end-to-end",
    "-p",
    "heapprof-hostile",
    "-p",
    "heapprof-interrupts",
    "-p",
    "heapprof-triggers",
];

/// They bring jemalloc and mimalloc along, which set themselves up in every program
/// that they are linked into: mimalloc crashes at the end of one that is denied
/// memory at its start, as some of the other tests' are.
const MEMORY_TESTS: &str = "heapprof-memory";

/// How much longer than usual the soak runs what can run longer.
const SOAK_SCALE: &str = "100";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let workspace = Workspace::locate();
    let mut steps = Steps::default();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(&workspace, &mut steps),
        ["verify"] => verify(&workspace, &mut steps),
        ["builds", ref chosen @ ..] => builds(&workspace, &mut steps, chosen),
        ["accuracy"] => accuracy(&workspace, &mut steps),
        ["gallery"] => gallery::make(&workspace, &mut steps),
        ["viewer"] => viewer(&workspace),
        ["soak"] => soak(&workspace, &mut steps),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    steps.print_times();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn test(workspace: &Workspace, steps: &mut Steps) -> Result {
    let tools = steps.run("tools", || tools::install(workspace))?;
    steps.run("tests, debug", || {
        cargo(workspace)
            .args(["test", "--workspace", "--exclude", MEMORY_TESTS])
            .args(["--no-fail-fast"])
            .envs(tools.variables())
            .run()
    })?;
    steps.run("tests of allocators' own figures", || {
        cargo(workspace)
            .args(["test", "-p", MEMORY_TESTS, "--no-fail-fast"])
            .envs(tools.variables())
            .run()
    })?;
    // Inlining decides what a stack looks like and the fast path is made for
    // release builds, so every integration test has to hold there too.
    steps.run("tests, release", || {
        release_tests(workspace).envs(tools.variables()).run()
    })
}

fn verify(workspace: &Workspace, steps: &mut Steps) -> Result {
    steps.run("format", || {
        cargo(workspace).args(["fmt", "--all", "--check"]).run()
    })?;
    // clippy::incompatible_msrv checks the standard library's functions against
    // `rust-version`, and the resolver the dependencies.
    steps.run("lints", || {
        cargo(workspace)
            .args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])
            .run()
    })?;
    test(workspace, steps)?;
    // What the members of the workspace ask for together is what the tests above ran
    // with. Each feature alone has to compile; none and all are tested as well.
    for features in workspace.feature_sets()? {
        let title = format!("features: {}", features.join(" "));
        steps.run(&title, || {
            cargo(workspace)
                .args(["clippy", "-p", "heapprof", "--all-targets"])
                .args(&features)
                .args(["--", "-D", "warnings"])
                .run()?;
            if features.len() > 1 {
                return Ok(());
            }
            cargo(workspace)
                .args(["test", "-p", "heapprof", "--lib", "--tests"])
                .args(&features)
                .run()
        })?;
    }
    builds(workspace, steps, &["quick"])?;
    steps.run("loom models", || loom(workspace, "2"))?;
    steps.run("stress", || stress(workspace, "20000000"))?;
    fuzz(workspace, steps, "60")?;
    steps.run("address and leak sanitizer", || {
        sanitizers::check(workspace)
    })?;
    steps.run("documentation", || {
        cargo(workspace)
            .args(["doc", "-p", "heapprof", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()
    })?;
    steps.run("package", || package::check(workspace))?;
    steps.run("aarch64", || {
        check_target(workspace, "aarch64-unknown-linux-gnu")
    })?;
    println!(
        "\nThe minimum Rust version ({}) was checked by clippy::incompatible_msrv and by the \
         dependency resolver; it was not compiled with that version.",
        workspace.rust_version()?
    );
    Ok(())
}

fn soak(workspace: &Workspace, steps: &mut Steps) -> Result {
    let tools = steps.run("tools", || tools::install(workspace))?;
    steps.run("tests, release, long", || {
        release_tests(workspace)
            .envs(tools.variables())
            .env("HEAPPROF_TEST_SCALE", SOAK_SCALE)
            .run()
    })?;
    steps.run("stress, hours", || stress(workspace, "2000000000"))?;
    fuzz(workspace, steps, "1800")?;
    steps.run("loom models, deep", || loom(workspace, "4"))?;
    builds(workspace, steps, &[])?;
    for target in [
        "aarch64-unknown-linux-gnu",
        "aarch64-apple-darwin",
        "x86_64-apple-darwin",
    ] {
        steps.run(target, || check_from_sources(workspace, target))?;
    }
    Ok(())
}

/// One program in every way that matters, or in those that are chosen.
fn builds(workspace: &Workspace, steps: &mut Steps, chosen: &[&str]) -> Result {
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

/// Thousands of programs in small under heapprof, with fixed seeds, and hundreds
/// under other profilers; then the document about them.
fn accuracy(workspace: &Workspace, steps: &mut Steps) -> Result {
    let study = |arguments: &[&str], flags: &str| {
        cargo(workspace)
            .args(["run", "--release", "-p", "accuracy"])
            .args(arguments)
            .env("RUSTFLAGS", flags)
            // Flags rebuild every dependency.
            .env("CARGO_TARGET_DIR", workspace.target.join("accuracy"))
            .run()
    };
    steps.run("heapprof", || {
        study(&["--", "study"], "--cfg heapprof_seed")
    })?;
    for profiler in ["jemalloc", "pprof-alloc"] {
        let program = format!("accuracy-{profiler}");
        steps.run(profiler, || {
            study(
                &["--features", profiler, "--bin", &program],
                "-Cforce-frame-pointers=yes",
            )
        })?;
    }
    steps.run("report", || {
        cargo(workspace)
            .args(["run", "--release", "-p", "accuracy", "--", "report"])
            .run()
    })
}

/// What is parsed and was written by others: garbage made by a fuzzer that sees
/// what it reaches, so many seconds of each.
fn fuzz(workspace: &Workspace, steps: &mut Steps, seconds: &str) -> Result {
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
            std::fs::create_dir_all(workspace.root.join(&corpus))
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

fn viewer(workspace: &Workspace) -> Result {
    let packages = node_modules::install(workspace)?;
    Command::new("node")
        .args(["tests/browser/bundle.js", "src/http/ui/viewer/viewer.js"])
        .current_dir(&workspace.root)
        .env("BROWSER_TOOLS", packages)
        .run()
}

/// Everything at once, so many operations in each phase: at two million a second
/// on two cores, a minute for 20 million.
fn stress(workspace: &Workspace, operations: &str) -> Result {
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
fn release_tests(workspace: &Workspace) -> Command {
    cargo(workspace)
        .args([
            "test",
            "--release",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ])
        .args(PROFILER_PACKAGES)
}

/// Runs the models of the lock-free tables. In a target directory of their own:
/// `--cfg loom` rebuilds every dependency.
fn loom(workspace: &Workspace, max_preemptions: &str) -> Result {
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
fn check_target(workspace: &Workspace, target: &str) -> Result {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let std = std::path::Path::new(sysroot.trim())
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
fn check_from_sources(workspace: &Workspace, target: &str) -> Result {
    Command::new("/usr/bin/cargo")
        .current_dir(&workspace.root)
        .args(["check", "-p", "heapprof", "--all-features"])
        .args(["-Zbuild-std=std,panic_abort", "--target", target])
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", workspace.target.join("builds"))
        .run()
}

fn cargo(workspace: &Workspace) -> Command {
    Command::new("cargo").current_dir(&workspace.root)
}

/// The steps that ran, and how long each took.
#[derive(Default)]
struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    fn run<T>(&mut self, title: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {title}");
        let start = Instant::now();
        let result = step();
        self.done.push((title.to_owned(), start.elapsed()));
        result.map_err(|failure| Failure(format!("step \"{title}\" failed: {failure}")))
    }

    fn print_times(&self) {
        println!("\n== times");
        for (title, time) in &self.done {
            println!("{:7.1} s  {title}", time.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, time)| *time).sum();
        println!("{:7.1} s  together", total.as_secs_f64());
    }
}
