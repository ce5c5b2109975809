#![forbid(unsafe_code)]
//! Where dumps go: `PROGRAM.PID.TIME.REASON.pb.gz`, the newest of them. Nothing
//! else in the folder is ever touched.

use std::fs::{self, DirBuilder};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, SystemTime};

use super::utc;

/// Why there is a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Exit,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Signal,
    Periodic,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Resident,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    InUse,
}

impl Reason {
    const ALL: [Self; 5] = [
        Self::Exit,
        Self::Signal,
        Self::Periodic,
        Self::Resident,
        Self::InUse,
    ];

    /// As it stands in file names.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Periodic => "periodic",
            Self::Resident => "resident",
            Self::InUse => "in_use",
        }
    }
}

const SUFFIX: &str = ".pb.gz";

/// Of the program's name in a file's: enough to know it by, and file names are short.
const PROGRAM_BYTES: usize = 64;

/// What a killed process left half-written is removed after this while.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// The folder that dumps are written to.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    program: String,
    keep_files: NonZeroUsize,
    keep_bytes: u64,
}

impl Folder {
    /// Makes it, for its owner only, unless it is there.
    pub(super) fn open(path: &Path, keep_files: NonZeroUsize, keep_bytes: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self {
            // The program may go elsewhere later.
            path: fs::canonicalize(path)?,
            program: program(),
            keep_files,
            keep_bytes,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a dump that is made now.
    pub(super) fn file(&self, reason: Reason) -> PathBuf {
        let (program, pid) = (&self.program, process::id());
        let time = utc::stamp(SystemTime::now());
        let reason = reason.name();
        self.path
            .join(format!("{program}.{pid}.{time}.{reason}{SUFFIX}"))
    }

    /// Removes this program's older files beyond what is to be kept.
    pub(super) fn prune(&self) -> io::Result<()> {
        let mut dumps = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // Gone already, when several processes prune at once.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            if let Some(time) = time_of(&name, &self.program) {
                dumps.push((time.to_owned(), name, metadata.len()));
            } else if is_abandoned(&name, &self.program, &metadata) {
                remove(&entry.path())?;
            }
        }
        dumps.sort_unstable_by(|a, b| b.cmp(a));
        let mut bytes = 0_u64;
        for (index, (_, name, len)) in dumps.iter().enumerate() {
            bytes = bytes.saturating_add(*len);
            let is_kept = index < self.keep_files.get() && bytes <= self.keep_bytes;
            if index > 0 && !is_kept {
                remove(&self.path.join(name))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// When a dump of this program was made; `None` of any other file.
pub(super) fn time_of<'a>(name: &'a str, program: &str) -> Option<&'a str> {
    let rest = name
        .strip_prefix(program)?
        .strip_prefix('.')?
        .strip_suffix(SUFFIX)?;
    let mut parts = rest.split('.');
    let (pid, time, reason) = (parts.next()?, parts.next()?, parts.next()?);
    let is_reason = Reason::ALL.iter().any(|known| known.name() == reason);
    (is_number(pid) && utc::is_stamp(time) && is_reason && parts.next().is_none()).then_some(time)
}

/// A temporary file beside a dump of this program, of a process that did not live
/// to rename it.
fn is_abandoned(name: &str, program: &str, metadata: &fs::Metadata) -> bool {
    let Some(pid) = pid_of_temporary(name, program) else {
        return false;
    };
    let age = || metadata.modified().ok()?.elapsed().ok();
    age().is_some_and(|age| age > ABANDONED_AFTER) && !Path::new("/proc").join(pid).exists()
}

/// Of `DUMP.PID.COUNT.tmp`.
fn pid_of_temporary<'a>(name: &'a str, program: &str) -> Option<&'a str> {
    let mut parts = name.strip_suffix(".tmp")?.rsplitn(3, '.');
    let (count, pid, dump) = (parts.next()?, parts.next()?, parts.next()?);
    let is_ours = is_number(count) && is_number(pid) && time_of(dump, program).is_some();
    is_ours.then_some(pid)
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The program's name, in letters that are harmless everywhere.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    harmless(name.strip_suffix(" (deleted)").unwrap_or(&name))
}

fn harmless(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        '.' | '-' | '_' | '+' => letter,
        _ if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    });
    let name: String = letters.take(PROGRAM_BYTES).collect();
    // Hidden files are not what anyone looks for.
    let name = name.trim_start_matches('.');
    if name.is_empty() { "program" } else { name }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "20261124T172227-123456Z";

    #[test]
    fn only_names_of_our_own_are_ours() {
        let ours = format!("app.1.{TIME}.exit.pb.gz");
        assert_eq!(time_of(&ours, "app"), Some(TIME));
        let dotted = format!("app.v2.1.{TIME}.in_use.pb.gz");
        assert_eq!(time_of(&dotted, "app.v2"), Some(TIME));
        for (name, program) in [
            (&*format!("app.1.{TIME}.exit.pb.gz"), "ap"),
            (&format!("app2.1.{TIME}.exit.pb.gz"), "app"),
            (&format!("app.v2.1.{TIME}.exit.pb.gz"), "app"),
            (&format!("app.1.{TIME}.mine.pb.gz"), "app"),
            (&format!("app.x.{TIME}.exit.pb.gz"), "app"),
            (&format!("app..{TIME}.exit.pb.gz"), "app"),
            (&format!("app.1.{TIME}.exit.pb.gz.bak"), "app"),
            (&format!("app.1.{TIME}.exit.x.pb.gz"), "app"),
            ("app.1.heap.pb.gz", "app"),
        ] {
            assert_eq!(time_of(name, program), None, "{name} of {program}");
        }
    }

    #[test]
    fn temporary_files_are_known_by_what_they_are_for() {
        let name = format!("app.1.{TIME}.exit.pb.gz.77.0.tmp");
        assert_eq!(pid_of_temporary(&name, "app"), Some("77"));
        for name in [
            "app.77.0.tmp",
            "77.0.tmp",
            "app.tmp",
            &name[..name.len() - 4],
        ] {
            assert_eq!(pid_of_temporary(name, "app"), None, "{name}");
        }
    }

    #[test]
    fn names_are_harmless() {
        assert_eq!(harmless("my-app_2.0+x"), "my-app_2.0+x");
        assert_eq!(harmless("../a b\u{e4}\n"), "_a_b__");
        assert_eq!(harmless(""), "program");
        assert_eq!(harmless(&"x".repeat(300)).len(), PROGRAM_BYTES);
    }

    #[test]
    fn the_newest_are_kept_and_nothing_else_is_touched() {
        let path = std::env::temp_dir().join(format!("heapprof-prune-{}", process::id()));
        let folder = |files, bytes| {
            let files = NonZeroUsize::new(files).unwrap();
            Folder::open(&path, files, bytes).unwrap()
        };
        let all = folder(100, 1000);
        let program = &all.program;
        let name =
            |second: usize| format!("{program}.7.20261124T1722{second:02}-000000Z.exit.pb.gz");
        let strangers = [
            "README.md",
            "heap.pb.gz",
            "other.7.20261124T172200-000000Z.exit.pb.gz",
        ];
        for name in strangers {
            fs::write(path.join(name), [0; 100]).unwrap();
        }
        for second in 0..10 {
            fs::write(path.join(name(second)), [0; 100]).unwrap();
        }
        let left = || {
            (0..10)
                .filter(|&second| path.join(name(second)).exists())
                .collect::<Vec<_>>()
        };
        all.prune().unwrap();
        assert_eq!(left().len(), 10);
        folder(8, 1000).prune().unwrap();
        assert_eq!(left(), [2, 3, 4, 5, 6, 7, 8, 9]);
        folder(8, 350).prune().unwrap();
        assert_eq!(left(), [7, 8, 9]);
        folder(8, 1).prune().unwrap();
        assert_eq!(left(), [9]);
        assert!(strangers.iter().all(|name| path.join(name).exists()));
        fs::remove_dir_all(&path).unwrap();
    }
}
