#![forbid(unsafe_code)]
//! Files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names tried before giving up, should others use names like ours.
const ATTEMPTS: u32 = 100;

/// Replaces the file at `path` by `bytes` in one step, or writes to it if it is
/// there and no regular file. Symbolic links are followed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(target) if target.is_file() => replace(&fs::canonicalize(path)?, bytes),
        Ok(_) => OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to nowhere is replaced itself: where it points need not be
            // a place for files.
            replace(path, bytes)
        }
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = TemporaryFile::create_beside(path)?;
    temporary.file.write_all(bytes)?;
    temporary.file.sync_all()?;
    temporary.rename_to(path)?;
    sync_folder(path);
    Ok(())
}

/// Removed when dropped, unless it was renamed.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    pub(crate) file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl TemporaryFile {
    /// Its name is that of `path`, with the process and a number behind it.
    pub(crate) fn create_beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for _ in 0..ATTEMPTS {
            let path = path.with_file_name(unique_name(name.to_owned()));
            result = options().open(&path).map(|file| Self {
                file,
                path,
                is_renamed: false,
            });
            match &result {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                _ => break,
            }
        }
        result
    }

    pub(crate) fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// New files only, for their owner only: profiles show what a program does.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Differs between processes, and between the threads of one.
fn unique_name(mut name: OsString) -> OsString {
    // Only uniqueness matters.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}.{count}.tmp", process::id()));
    name
}

/// Makes the rename last through a power failure, where the file system can.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder that is removed with all that is in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("heapprof-{test}-{}", process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> = entries
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = Folder::new("replace");
        let path = folder.0.join("heap.pb.gz");
        for contents in [&b"first"[..], b"second"] {
            write(&path, contents).unwrap();
            assert_eq!(fs::read(&path).unwrap(), contents);
        }
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(folder.names(), ["heap.pb.gz"]);
    }

    #[test]
    fn many_threads_at_once_leave_one_whole_file() {
        let folder = Folder::new("threads");
        let path = folder.0.join("heap.pb.gz");
        std::thread::scope(|scope| {
            for n in 0..8_u8 {
                let path = &path;
                scope.spawn(move || write(path, &vec![n; 100_000]).unwrap());
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 100_000 && bytes.iter().all(|&byte| byte == bytes[0]));
        assert_eq!(folder.names(), ["heap.pb.gz"]);
    }

    #[test]
    fn links_are_followed() {
        let folder = Folder::new("links");
        let target = folder.0.join("target");
        let link = folder.0.join("link");
        fs::write(&target, "old").unwrap();
        symlink("target", &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let dangling = folder.0.join("dangling");
        symlink("/no/such/folder/file", &dangling).unwrap();
        write(&dangling, b"new").unwrap();
        assert_eq!(fs::read(&dangling).unwrap(), b"new");
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let folder = Folder::new("errors");
        let error = |path: &Path| write(path, b"new").unwrap_err().kind();
        assert_eq!(
            error(&folder.0.join("missing/file")),
            io::ErrorKind::NotFound
        );
        assert_eq!(error(&folder.0), io::ErrorKind::IsADirectory);
        assert_eq!(error(Path::new("")), io::ErrorKind::InvalidInput);
        write(Path::new("/dev/null"), b"new").unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(error(Path::new("/dev/full")), io::ErrorKind::StorageFull);
        assert!(folder.names().is_empty());
    }
}
