//! What the tests of triggers share: running a program in a folder, and looking at
//! what it left there.

#[cfg(target_os = "linux")]
pub mod cgroup;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heapprof_end_to_end::Profile;
use heapprof_hostile::Ran;

/// A program that ran, and the folder that its dumps are in.
#[derive(Debug)]
pub struct Left {
    /// How it ended and what it printed.
    pub ran: Ran,
    /// The folder that it was given. It did not exist before.
    pub folder: PathBuf,
    _parent: Box<dyn std::any::Any>,
}

impl Left {
    /// Runs `program MODE FOLDER`.
    pub fn by(program: &str, mode: &str, target_tmpdir: &str) -> Self {
        Self::by_command(Command::new(program).arg(mode), target_tmpdir)
    }

    /// The same, prepared otherwise. `FOLDER` in its environment becomes the folder.
    pub fn by_command(command: &mut Command, target_tmpdir: &str) -> Self {
        let (parent, path) = heapprof_hostile::folder(target_tmpdir);
        let folder = path.join("dumps");
        let dump = command
            .get_envs()
            .find(|(name, _)| *name == "HEAPPROF_DUMP");
        let dump = dump.and_then(|(_, value)| Some(value?.to_str()?.to_owned()));
        if let Some(dump) = dump {
            let folder = folder.to_str().expect("folders have ordinary names");
            command.env("HEAPPROF_DUMP", dump.replace("FOLDER", folder));
        }
        let ran = Ran::command(command.arg(&folder).current_dir(&path));
        Self {
            ran,
            folder,
            _parent: Box::new(parent),
        }
    }

    /// The names of what it left, in order.
    pub fn names(&self) -> Vec<String> {
        names(&self.folder)
    }

    /// The reasons of the dumps, in order of time, taken from their names.
    ///
    /// # Panics
    /// If there is anything else.
    #[track_caller]
    pub fn reasons(&self) -> Vec<String> {
        let reason = |name: &String| {
            let reason = name
                .strip_suffix(".pb.gz")
                .and_then(|name| name.rsplit('.').next());
            reason
                .unwrap_or_else(|| panic!("{name} is no dump"))
                .to_owned()
        };
        self.names().iter().map(reason).collect()
    }

    /// The only dump.
    ///
    /// # Panics
    /// If there is none, or another, or it is malformed.
    #[track_caller]
    pub fn profile(&self) -> Profile {
        let names = self.names();
        assert_eq!(names.len(), 1, "{names:?}\n{}", self.ran);
        heapprof_hostile::profile(&self.folder, &names[0])
    }
}

/// The names of what is in a folder, in order; none if there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("folders can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
