//! Packages of PyPI, each in a Python environment of its own.

use std::path::Path;

use crate::Result;
use crate::command::Command;

/// Makes the environment `folder`, in place of an earlier one, and installs `package`
/// there.
pub(crate) fn install(package: &str, folder: &Path) -> Result {
    Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .args([folder])
        .run()?;
    Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", package])
        .run()
}
