//! A file that is open before it is needed, and visible only when it is whole.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::atomic_file::TemporaryFile;

/// See the module's description. What is written to it is gone with the process
/// unless it was published.
#[derive(Debug)]
pub(super) enum ReservedFile {
    Nameless(File),
    /// Where the file system has no files without a name.
    Temporary(TemporaryFile),
}

impl ReservedFile {
    /// Opens one in the folder of `beside`, whose name a temporary one is made of.
    pub(super) fn open(beside: &Path) -> io::Result<Self> {
        let folder = beside.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let nameless = OpenOptions::new()
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(folder);
        Ok(match nameless {
            Ok(file) => Self::Nameless(file),
            Err(_) => Self::Temporary(TemporaryFile::create_beside(beside)?),
        })
    }

    /// Gives the file its name. There must be none of that name.
    pub(super) fn publish(self, path: &Path) -> io::Result<()> {
        let file = match self {
            Self::Nameless(file) => file,
            Self::Temporary(temporary) => return temporary.rename_to(path),
        };
        let own = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: strings that end; the call reads nothing else.
        let linked = unsafe {
            libc::linkat(
                libc::AT_FDCWD,
                own.as_ptr(),
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::AT_SYMLINK_FOLLOW,
            )
        };
        if linked == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Forces what was written to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file().sync_all()
    }

    /// Empties it after a failure, to be used again.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let mut file = self.file();
        file.set_len(0)?;
        file.rewind()
    }

    fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Temporary(temporary) => &temporary.file,
        }
    }
}

impl Write for ReservedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_is_visible_before_it_is_published() {
        let folder = std::env::temp_dir().join(format!("heapprof-reserved-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let names = || fs::read_dir(&folder).unwrap().count();
        let path = folder.join("dump.pb.gz");

        let mut file = ReservedFile::open(&path).unwrap();
        let before = names();
        file.write_all(b"wrong").unwrap();
        file.clear().unwrap();
        file.write_all(b"right").unwrap();
        assert!(!path.exists());
        file.publish(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"right");
        assert_eq!(names(), 1);

        drop(ReservedFile::open(&path).unwrap());
        assert_eq!(names(), 1, "{before} before");
        // Elsewhere than on Linux's own file systems.
        let other = folder.join("other");
        let temporary = || ReservedFile::Temporary(TemporaryFile::create_beside(&other).unwrap());
        drop(temporary());
        assert_eq!(names(), 1);
        temporary().publish(&other).unwrap();
        assert_eq!(names(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
