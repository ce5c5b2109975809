//! What would be published: complete, small, and free of tests' data.

use std::fs;
use std::path::Path;

use crate::workspace::Workspace;
use crate::{Failure, Result, cargo};

const MAX_BYTES: u64 = 1 << 20;

/// Folders and endings of which a published crate holds nothing else.
const FOLDERS: [&str; 4] = ["src", "benches", "examples", "docs"];
const ENDINGS: [&str; 5] = ["css", "js", "md", "rs", "svg"];

/// Files in the crate's root; cargo adds some of its own.
const ROOT_FILES: [&str; 10] = [
    ".cargo_vcs_info.json",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "build.rs",
];

pub(crate) fn check(workspace: &Workspace) -> Result {
    // Uncommitted work may be verified too; in a clean clone there is none.
    let package = || cargo(workspace).args(["package", "-p", "heapprof", "--allow-dirty"]);
    let list = package().args(["--list"]).output()?;
    let files: Vec<&str> = list.lines().collect();
    if let Some(stray) = files.iter().find(|file| !belongs(file)) {
        return Err(Failure(format!(
            "{stray} does not belong in the published crate"
        )));
    }
    for needed in [
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        if !files.contains(&needed) {
            return Err(Failure(format!(
                "{needed} is missing from the published crate"
            )));
        }
    }
    package().run()?;
    let archive = workspace
        .target
        .join("package")
        .join(format!("heapprof-{}.crate", workspace.version()?));
    let bytes = fs::metadata(&archive)
        .map_err(|error| Failure(format!("{}: {error}", archive.display())))?
        .len();
    println!("{bytes} bytes in {} files", files.len());
    if bytes >= MAX_BYTES {
        return Err(Failure(format!(
            "the published crate has {bytes} bytes, at most {MAX_BYTES} are allowed"
        )));
    }
    Ok(())
}

fn belongs(file: &str) -> bool {
    match file.split_once('/') {
        None => ROOT_FILES.contains(&file),
        Some((folder, _)) => {
            let ending = Path::new(file)
                .extension()
                .and_then(|ending| ending.to_str());
            FOLDERS.contains(&folder) && ending.is_some_and(|ending| ENDINGS.contains(&ending))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_documents_belong_and_tests_do_not() {
        assert!(
            belongs("src/record/arena.rs") && belongs("docs/SAMPLING.md") && belongs("LICENSE-MIT")
        );
        assert!(!belongs("tests/faults.rs") && !belongs("src/heap.pb.gz") && !belongs("notes.md"));
    }
}
