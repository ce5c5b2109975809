//! Profiles as pictures, by `go tool pprof`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::Result;

/// What pictures show of each stack: what the service does with images and other
/// things, and connections to clouds.
const SHOWN: &str = "-show=^<?(cloud_inventory::(images|service)|hyper::client::conn)";

/// Draws what is in use.
pub(crate) fn draw(profile: &Path, picture: &Path) -> Result<()> {
    let (program, arguments) = pprof();
    let output = Command::new(&program)
        .args(arguments)
        .args(["-png", "-sample_index=inuse_space", SHOWN])
        .arg("-output")
        .args([picture, profile])
        .output()
        .map_err(|error| {
            format!(
                "{} could not be started ({error}). Install Go and graphviz, or set PPROF to a \
                 pprof; the profiles are written all the same",
                program.display()
            )
        })?;
    if !output.status.success() || !picture.exists() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(())
}

/// The `pprof` that PPROF names, or Go's.
fn pprof() -> (OsString, &'static [&'static str]) {
    match env::var_os("PPROF") {
        Some(program) => (program, &[]),
        None => ("go".into(), &["tool", "pprof"]),
    }
}
