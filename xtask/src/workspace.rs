//! Where the workspace is, and what its manifest says.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::{Failure, Result};

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds, and where installed tools are kept.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn locate() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask lies in the workspace's root")
            .to_owned();
        let target = env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        Self {
            target: root.join(target),
            root,
        }
    }

    /// The flags for: no feature, each feature alone, all of them. The default
    /// set is what every other step builds.
    pub(crate) fn feature_sets(&self) -> Result<Vec<Vec<String>>> {
        let mut sets = vec![vec!["--no-default-features".to_owned()]];
        for feature in features(&self.manifest()?) {
            sets.push(vec![
                "--no-default-features".into(),
                "--features".into(),
                feature,
            ]);
        }
        sets.push(vec!["--all-features".into()]);
        Ok(sets)
    }

    pub(crate) fn rust_version(&self) -> Result<String> {
        self.package_value("rust-version")
    }

    pub(crate) fn version(&self) -> Result<String> {
        self.package_value("version")
    }

    fn package_value(&self, key: &str) -> Result<String> {
        let manifest = self.manifest()?;
        section(&manifest, "package")
            .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
            .map(|value| value.trim().trim_matches('"').to_owned())
            .ok_or_else(|| Failure(format!("Cargo.toml names no {key}")))
    }

    fn manifest(&self) -> Result<String> {
        let path = self.root.join("Cargo.toml");
        fs::read_to_string(&path).map_err(|e| Failure(format!("{}: {e}", path.display())))
    }
}

/// The features that a manifest declares, `default` left out.
fn features(manifest: &str) -> Vec<String> {
    section(manifest, "features")
        .filter(|line| !line.starts_with(['#', ' ', ']']))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()))
        .filter(|name| name != "default")
        .collect()
}

/// The lines below `[name]`, up to the next header.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let header = format!("[{name}]");
    manifest
        .lines()
        .skip_while(move |line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[package]
name = \"x\"
version = \"1.2.3\"

[features]
default = [\"names\"]
# A comment with = in it.
names = [
    \"dep:a\",
]
http = [\"dep:b\"]

[dependencies]
a = \"1\"
";

    #[test]
    fn features_are_found_without_the_default_set() {
        assert_eq!(features(MANIFEST), ["names", "http"]);
    }

    #[test]
    fn the_real_manifest_is_understood() {
        let workspace = Workspace::locate();
        assert!(workspace.root.join("xtask").is_dir());
        assert!(workspace.version().is_ok_and(|v| v.split('.').count() == 3));
        assert!(workspace.feature_sets().is_ok_and(|sets| sets.len() > 2));
    }
}
