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

mod checks;
mod command;
mod debian;
mod gallery;
mod node_modules;
mod package;
mod python;
mod sanitizers;
mod steps;
mod tools;
mod workspace;

use std::process::ExitCode;
use std::{env, fmt};

use checks::{builds, check_from_sources, check_target, fuzz, loom, release_tests, stress};
use command::Command;
use steps::Steps;
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
        cargo(workspace).args(["fmt", "--all", "--check"]).run()?;
        // A workspace of its own.
        cargo(workspace)
            .args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])
            .run()
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

fn viewer(workspace: &Workspace) -> Result {
    let packages = node_modules::install(workspace)?;
    Command::new("node")
        .args(["tests/browser/bundle.js", "src/http/ui/viewer/viewer.js"])
        .current_dir(&workspace.root)
        .env("BROWSER_TOOLS", packages)
        .run()
}

fn cargo(workspace: &Workspace) -> Command {
    Command::new("cargo").current_dir(&workspace.root)
}
