//! Packages of Debian, installed where that is possible without asking anyone;
//! elsewhere the error is the command that would have been run.

use crate::command::Command;
use crate::{Failure, Result};

/// Installs the packages that are not marked as present.
pub(crate) fn install_missing(packages: &[(&str, bool)]) -> Result {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(_, present)| !present)
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(apt_get) = apt_get_without_password() else {
        return Err(Failure(format!(
            "some programs that the tests need are missing; install them with\n\n    \
             sudo apt-get update && sudo apt-get install {}\n",
            missing.join(" ")
        )));
    };
    apt_get().args(["update", "-qq"]).run()?;
    apt_get()
        .args(["install", "-qq", "-y", "--no-install-recommends"])
        .args(missing)
        .run()
}

/// How to run apt-get, if that is possible without asking anyone.
fn apt_get_without_password() -> Option<fn() -> Command> {
    fn as_root() -> Command {
        Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive")
    }
    fn by_sudo() -> Command {
        Command::new("sudo").args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
    }
    let is_root = Command::new("sh")
        .args(["-c", "test $(id -u) = 0"])
        .succeeds();
    if is_root && as_root().args(["--version"]).succeeds() {
        Some(as_root)
    } else if by_sudo().args(["--version"]).succeeds() {
        Some(by_sudo)
    } else {
        None
    }
}
