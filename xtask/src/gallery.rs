//! The pictures of `docs/pictures`: examples in a browser and in a terminal, and
//! their profiles as `go tool pprof` draws them.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::command::Command;
use crate::tools::{self, Tools};
use crate::workspace::Workspace;
use crate::{Failure, Result, Steps, cargo, debian};

/// Where the example `serve` listens.
const ADDRESS: &str = "127.0.0.1:8282";
const URL: &str = "http://127.0.0.1:8282/debug/pprof/";

/// The examples that are built, `serve` first.
const EXAMPLES: [&str; 6] = ["serve", "peak", "ages", "labels", "stages", "where_is_it"];

/// What is printed: the picture, who prints it, and the words between which it is.
const TEXTS: [(&str, &str, [&str; 2]); 2] = [
    ("stages", "stages", ["", "\n\n"]),
    ("memory", "where_is_it", ["One in ten", "\n\n50000"]),
];

/// A test that fails, for what it says.
const FAILING: &str =
    "test --quiet -p allocation-tests --test failures -- --ignored too_many --nocapture";

/// What the examples wrote, as graphs of their own functions: the picture, the
/// profile, and what pprof is told.
const GRAPHS: [(&str, &str, &[&str]); 3] = [
    ("peak", "peak.pb.gz", &["-show=^peak::"]),
    ("leaks", "leaks.pb.gz", &["-show=^ages::"]),
    (
        "labels",
        "labels.pb.gz",
        &[
            "-tagroot=tenant,route",
            "-show=^labels::|^/[a-z]+$|^[a-z]+$",
        ],
    ),
];

/// No picture is larger.
const MAX_BYTES: u64 = 100_000;

pub(crate) fn make(workspace: &Workspace, steps: &mut Steps) -> Result {
    let tools = steps.run("tools", || {
        debian::install_missing(&[("pngquant", tools::runs("pngquant", "--version"))])?;
        tools::install(workspace)
    })?;
    steps.run("examples", || build(workspace))?;
    let folder = workspace.root.join("docs/pictures");
    let written = target(workspace).join("written");
    for folder in [&folder, &written] {
        fs::create_dir_all(folder).map_err(|error| failure(folder, &error))?;
    }
    steps.run("what they write", || run(workspace, &written))?;
    let serving = Serving::start(&example(workspace, "serve"))?;
    steps.run("pages", || take(workspace, &tools, &written, &folder))?;
    steps.run("graphs", || draw(&tools, &written, &folder))?;
    drop(serving);
    steps.run("sizes", || shrink(&folder))
}

/// A folder of its own, so that other builds are not thrown away.
fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("gallery")
}

fn example(workspace: &Workspace, name: &str) -> PathBuf {
    target(workspace).join("release/examples").join(name)
}

fn build(workspace: &Workspace) -> Result {
    placeless(workspace)
        .args(["build", "--release", "--features", "http"])
        .args(EXAMPLES.iter().flat_map(|name| ["--example", *name]))
        // Inlined functions by their full names.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "1")
        .run()
}

/// Cargo for programs that do not know where they were built, and so do not show it
/// in a picture.
fn placeless(workspace: &Workspace) -> Command {
    let home = env::home_dir().unwrap_or_default().join(".cargo");
    let home = env::var_os("CARGO_HOME").map_or(home, PathBuf::from);
    let registries = fs::read_dir(home.join("registry/src"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|registry| (registry.path(), "crates"));
    let flags: Vec<String> = [(workspace.root.clone(), ".")]
        .into_iter()
        .chain(registries)
        .map(|(path, shown)| format!("--remap-path-prefix={}={shown}", path.display()))
        .collect();
    cargo(workspace)
        .env("RUSTFLAGS", flags.join(" "))
        .env("CARGO_TARGET_DIR", target(workspace))
}

/// Runs what ends, in the folder `written`, and keeps what it prints.
fn run(workspace: &Workspace, written: &Path) -> Result {
    let keep = |name: &str, text: &str, [from, until]: [&str; 2]| {
        let path = written.join(name).with_extension("txt");
        let begin = text.find(from).unwrap_or(0);
        let part = text[begin..].split(until).next().unwrap_or_default();
        fs::write(&path, part).map_err(|error| failure(&path, &error))
    };
    for name in &EXAMPLES[1..] {
        let program = Command::new(example(workspace, name));
        let printed = program.current_dir(written).output()?;
        for (picture, _, part) in TEXTS.iter().filter(|(_, example, _)| example == name) {
            keep(picture, &printed, *part)?;
        }
    }
    let test = placeless(workspace)
        .args(FAILING.split(' '))
        .env("RUST_BACKTRACE", "0");
    keep("failure", &test.failure()?, ["expected ", "\nnote: "])
}

/// Draws graphs by `go tool pprof`: of what was written, and of the live program.
fn draw(tools: &Tools, written: &Path, folder: &Path) -> Result {
    let live = (
        "graph",
        format!("{URL}heap"),
        &["-nodecount=12", "-sample_index=alloc_space"][..],
    );
    let dead = GRAPHS.map(|(name, profile, options)| {
        let profile = written.join(profile).display().to_string();
        (name, profile, options)
    });
    for (name, profile, options) in dead.into_iter().chain([live]) {
        let picture = folder.join(format!("{name}.png"));
        Command::new(&tools.pprof)
            .args(["-png"])
            .args(options)
            .args([format!("-output={}", picture.display()), profile])
            .env("PPROF_TMPDIR", written)
            .run()?;
    }
    Ok(())
}

/// Pictures of pages, and of what was printed.
fn take(workspace: &Workspace, tools: &Tools, written: &Path, folder: &Path) -> Result {
    Command::new("node")
        .args(["tests/browser/pictures.js", URL])
        .args([folder, written])
        .envs(tools.variables())
        .current_dir(&workspace.root)
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

/// The example `serve` under way, ended when this is dropped.
struct Serving(Child);

impl Serving {
    /// Until it listens.
    fn start(program: &Path) -> Result<Self> {
        let child = std::process::Command::new(program)
            .env("HEAPPROF_SAMPLE_INTERVAL", "65536")
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| failure(program, &error))?;
        let mut serving = Self(child);
        loop {
            thread::sleep(Duration::from_millis(50));
            // Somebody else may listen there.
            if let Ok(Some(status)) = serving.0.try_wait() {
                return Err(Failure(format!("the example ended: {status}")));
            }
            if TcpStream::connect(ADDRESS).is_ok() {
                return Ok(serving);
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ = self.0.wait();
    }
}
