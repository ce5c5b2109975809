//! The pictures of `docs/pictures`: the example `serve` in a browser, and its profile
//! as `go tool pprof` draws it.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::command::Command;
use crate::tools::{self, Tools};
use crate::workspace::Workspace;
use crate::{Failure, Result, Steps, cargo};

/// Where the example serves.
const ADDRESS: &str = "127.0.0.1:8282";
const URL: &str = "http://127.0.0.1:8282/debug/pprof/";

/// No picture is larger.
const MAX_BYTES: u64 = 100_000;

pub(crate) fn make(workspace: &Workspace, steps: &mut Steps) -> Result {
    let tools = steps.run("tools", || {
        tools::install_missing(&[("pngquant", tools::runs("pngquant", "--version"))])?;
        tools::install(workspace)
    })?;
    steps.run("example", || {
        let example = [
            "build",
            "--release",
            "--example",
            "serve",
            "--features",
            "http",
        ];
        // A picture tells where its program was built, unless it is told not to.
        let root = workspace.root.display();
        cargo(workspace)
            .args(example)
            .env("RUSTFLAGS", format!("--remap-path-prefix={root}=."))
            .env("CARGO_TARGET_DIR", target(workspace))
            .run()
    })?;
    let folder = workspace.root.join("docs/pictures");
    fs::create_dir_all(&folder).map_err(|error| failure(&folder, &error))?;
    let program = target(workspace).join("release/examples/serve");
    let example = Example::start(&program)?;
    let taken = steps.run("pictures", || take(workspace, &tools, &folder));
    drop(example);
    taken?;
    steps.run("sizes", || shrink(&folder))
}

/// A folder of its own, so that other builds are not thrown away.
fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("gallery")
}

fn take(workspace: &Workspace, tools: &Tools, folder: &Path) -> Result {
    Command::new("node")
        .args(["tests/browser/pictures.js", URL])
        .args([folder])
        .envs(tools.variables())
        .current_dir(&workspace.root)
        .run()?;
    let graph = folder.join("graph.png");
    let (_, pprof) = tools.variables()[0];
    Command::new(pprof)
        .args(["-png", "-nodecount=12", "-sample_index=alloc_space"])
        .args([format!("-output={}", graph.display()), format!("{URL}heap")])
        .env("PPROF_TMPDIR", target(workspace))
        .run()
}

/// With a palette: the pictures are flat colours.
fn shrink(folder: &Path) -> Result {
    for entry in fs::read_dir(folder).map_err(|error| failure(folder, &error))? {
        let path = entry.map_err(|error| failure(folder, &error))?.path();
        if path.extension().is_none_or(|ending| ending != "png") {
            continue;
        }
        // It fails where the result would be larger, or look worse.
        let options = ["--force", "--strip", "--skip-if-larger", "--ext=.png", "64"];
        let _ = Command::new("pngquant").args(options).args([&path]).run();
        let bytes = fs::metadata(&path)
            .map_err(|error| failure(&path, &error))?
            .len();
        println!("{bytes:>7} {}", path.display());
        if bytes > MAX_BYTES {
            return Err(Failure(format!("{} is too large", path.display())));
        }
    }
    Ok(())
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}

/// The example under way, ended when this is dropped.
struct Example(Child);

impl Example {
    /// Until it listens.
    fn start(program: &Path) -> Result<Self> {
        let child = std::process::Command::new(program)
            .env("HEAPPROF_SAMPLE_INTERVAL", "65536")
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| failure(program, &error))?;
        let mut example = Self(child);
        loop {
            thread::sleep(Duration::from_millis(50));
            // Somebody else may listen there.
            if let Ok(Some(status)) = example.0.try_wait() {
                return Err(Failure(format!("the example ended: {status}")));
            }
            if TcpStream::connect(ADDRESS).is_ok() {
                return Ok(example);
            }
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ = self.0.wait();
    }
}
