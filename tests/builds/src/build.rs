//! Builds and runs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heapprof_end_to_end::Profile;

use crate::builds::{Build, Kind};
use crate::{Place, Result};

/// What a run left behind.
pub(crate) struct Profiles {
    /// Written while everything was held.
    pub(crate) held: Profile,
    /// Written after it was freed: by libraries alone, whose host goes on.
    pub(crate) freed: Option<Profile>,
}

pub(crate) fn run(place: &Place, build: &Build) -> Result<Profiles> {
    let built = compile(place, build)?;
    let folder = place.target.join("profiles");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let [held, freed] = ["held", "freed"].map(|what| {
        let path = folder.join(format!("{}-{what}.pb.gz", build.name));
        // An earlier run's must not be taken for this one's; there may be none.
        let _ = fs::remove_file(&path);
        path
    });
    let is_library = matches!(build.kind, Kind::ForC | Kind::ForPython);
    let hosts = place.root.join("tests/builds/hosts");
    let mut command = match build.kind {
        Kind::Program | Kind::Debug | Kind::FramePointers => Command::new(&built),
        Kind::ForC => Command::new(compile_host(&hosts.join("host.c"), &folder)?),
        Kind::ForPython => with_arg("python3", hosts.join("host.py")),
        Kind::Aarch64 => {
            let mut command = with_arg("qemu-aarch64", "-L");
            command.arg("/usr/aarch64-linux-gnu").arg(&built);
            command
        }
    };
    if is_library {
        command.arg(&built);
    }
    command.arg(&held);
    if is_library {
        command.arg(&freed);
    }
    command
        .env_remove("HEAPPROF_SAMPLE_INTERVAL")
        .env("LD_LIBRARY_PATH", libraries()?);
    expect_success(&mut command)?;
    let read = |path: &Path| {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(Profile::decode(&bytes))
    };
    Ok(Profiles {
        held: read(&held)?,
        freed: is_library.then(|| read(&freed)).transpose()?,
    })
}

/// Builds it and returns where it is. Run there: debug information that is not in
/// the file is found by its path.
fn compile(place: &Place, build: &Build) -> Result<PathBuf> {
    let is_aarch64 = build.kind == Kind::Aarch64;
    let target = if is_aarch64 {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    };
    let profile = if build.kind == Kind::Debug {
        "dev"
    } else {
        "release"
    };
    let mut cargo = if is_aarch64 {
        debian_cargo()
    } else {
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    };
    cargo
        .current_dir(&place.root)
        .args(["build", "--quiet", "--package", "heapprof-build-program"])
        .args(["--profile", profile])
        // Always named, so that flags are not for build scripts and macros too.
        .args(["--target", target])
        .env("CARGO_TARGET_DIR", &place.target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", build.rustflags);
    if is_aarch64 {
        cargo.arg("-Zbuild-std=std,panic_abort");
    }
    let file = match build.kind {
        Kind::ForC | Kind::ForPython => {
            cargo.arg("--lib");
            "libbuild_guest.so"
        }
        _ => {
            cargo.args(["--bin", "build_program"]);
            "build_program"
        }
    };
    if build.kind == Kind::FramePointers {
        cargo.args(["--features", "frame-pointers"]);
    }
    for (key, value) in build.profile {
        cargo.args(["--config", &format!("profile.{profile}.{key}={value}")]);
    }
    expect_success(&mut cargo)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(place.target.join(target).join(folder).join(file))
}

/// Debian's toolchain brings the sources of the standard library, to be built for
/// other processors.
fn debian_cargo() -> Command {
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
        )
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    cargo
}

fn compile_host(source: &Path, folder: &Path) -> Result<PathBuf> {
    let host = folder.join("host");
    let mut cc = with_arg("cc", "-o");
    cc.arg(&host).arg(source).args(["-Wall", "-Werror", "-ldl"]);
    expect_success(&mut cc)?;
    Ok(host)
}

/// Where the shared standard library is.
fn libraries() -> Result<PathBuf> {
    let output = with_arg("rustc", "--print=target-libdir")
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

fn with_arg(program: &str, arg: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.arg(arg);
    command
}

fn expect_success(command: &mut Command) -> Result<()> {
    println!("$ {command:?}");
    let output = command
        .output()
        .map_err(|error| missing(&command.get_program().to_string_lossy(), &error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!(
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&said)
    ))
}

/// What to do about a program that cannot be started.
fn missing(program: &str, error: &str) -> String {
    let packages = match program {
        "python3" => "python3",
        "cc" => "gcc libc6-dev",
        "qemu-aarch64" => "qemu-user",
        "/usr/bin/cargo" => {
            "rustc-web cargo-web rust-web-src gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
        }
        _ => return format!("cannot start {program}: {error}"),
    };
    format!("cannot start {program} ({error}); sudo apt-get install {packages}")
}
