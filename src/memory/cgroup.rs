#![forbid(unsafe_code)]
//! The control groups that account for this process's memory, v2 and v1: what
//! they take, and what they may take.
//!
//! A group's limit holds for all that is below it, so every group from the
//! process's own up to the outermost that is mounted counts. In a container that
//! is usually one.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::text::{lines, number, read_again, unexpected, value_of};

/// Which of the two interfaces a group is seen through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    fn limit_file(self) -> &'static str {
        match self {
            Self::V1 => "memory.limit_in_bytes",
            Self::V2 => "memory.max",
        }
    }

    fn usage_file(self) -> &'static str {
        match self {
            Self::V1 => "memory.usage_in_bytes",
            Self::V2 => "memory.current",
        }
    }

    /// Files that the kernel lets go of before it kills anything.
    fn page_cache(self) -> [&'static str; 2] {
        match self {
            Self::V1 => ["total_inactive_file", "total_active_file"],
            Self::V2 => ["inactive_file", "active_file"],
        }
    }
}

/// A group with its files open.
#[derive(Debug)]
pub(crate) struct Group {
    version: Version,
    /// `None` without a limit.
    pub(crate) limit_bytes: Option<u64>,
    usage: File,
    stat: File,
}

impl Group {
    /// The groups of this process, its own first; none where memory is not
    /// accounted for, or cannot be looked at.
    pub(crate) fn all() -> Vec<Self> {
        let read = |path: &str| fs::read(path).unwrap_or_default();
        let (memberships, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
        folders(&memberships, &mounts)
            .into_iter()
            .filter_map(|(version, folder)| Self::open(version, &folder).ok())
            .collect()
    }

    fn open(version: Version, folder: &Path) -> io::Result<Self> {
        Ok(Self {
            version,
            limit_bytes: parse_limit(&fs::read(folder.join(version.limit_file()))?),
            usage: File::open(folder.join(version.usage_file()))?,
            stat: File::open(folder.join("memory.stat"))?,
        })
    }

    /// Everything charged to the group, page cache included. Does not allocate.
    pub(crate) fn usage_bytes(&self) -> io::Result<u64> {
        let mut buffer = [0; 64];
        let text = read_again(&self.usage, &mut buffer)?;
        number(text).ok_or_else(|| unexpected(self.version.usage_file()))
    }

    /// Of it, the page cache. Does not allocate; takes longer than
    /// [`usage_bytes`](Self::usage_bytes), because the kernel has to add it up.
    pub(crate) fn page_cache_bytes(&self) -> io::Result<u64> {
        let mut buffer = [0; 8192];
        let text = read_again(&self.stat, &mut buffer)?;
        let value = |name| value_of(text, name).ok_or_else(|| unexpected("memory.stat"));
        let [inactive, active] = self.version.page_cache();
        Ok(value(inactive)?.saturating_add(value(active)?))
    }
}

/// A limit, or `None` where it says that there is none: `max`, or in v1 what is
/// beyond every machine.
pub(super) fn parse_limit(text: &[u8]) -> Option<u64> {
    number(text).filter(|&bytes| bytes < 1 << 62)
}

/// Where the groups' folders must be, the process's own first: by
/// `/proc/self/cgroup` and `/proc/self/mountinfo`.
pub(super) fn folders(memberships: &[u8], mounts: &[u8]) -> Vec<(Version, PathBuf)> {
    let mut folders = Vec::new();
    for (version, path) in lines(memberships).filter_map(parse_membership) {
        let mount = lines(mounts)
            .filter_map(parse_mount)
            .find(|mount| mount.version == version && path.starts_with(&mount.root));
        let Some(mount) = mount else { continue };
        let Ok(inside) = path.strip_prefix(&mount.root) else {
            continue;
        };
        let ancestors = inside.ancestors().map(|path| {
            // Without the slash that an empty path leaves at the end.
            mount.point.join(path).components().collect()
        });
        folders.extend(ancestors.map(|folder| (version, folder)));
    }
    folders
}

/// `0::/user.slice`, or `4:cpu,memory:/docker/0123`.
fn parse_membership(line: &[u8]) -> Option<(Version, PathBuf)> {
    let mut fields = line.splitn(3, |&byte| byte == b':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let mut controllers = controllers.split(|&byte| byte == b',');
    let version = if id == b"0" {
        Version::V2
    } else if controllers.any(|name| name == b"memory") {
        Version::V1
    } else {
        return None;
    };
    let path = to_path(path);
    // The namespace of its processes does not reach up to this group.
    let is_outside = path.components().any(|part| part.as_os_str() == "..");
    (path.is_absolute() && !is_outside).then_some((version, path))
}

struct Mount {
    version: Version,
    /// The group that is seen at `point`.
    root: PathBuf,
    point: PathBuf,
}

/// `36 35 98:0 /root /point rw,noatime shared:1 - cgroup cgroup rw,memory`
fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let mut system = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = system.next()?;
    let mut options = system.nth(1)?.split(|&byte| byte == b',');
    let version = match kind {
        b"cgroup2" => Version::V2,
        b"cgroup" if options.any(|option| option == b"memory") => Version::V1,
        _ => return None,
    };
    Some(Mount {
        version,
        root: to_path(&unescaped(root)),
        point: to_path(&unescaped(point)),
    })
}

fn to_path(bytes: &[u8]) -> PathBuf {
    Path::new(std::ffi::OsStr::from_bytes(bytes)).to_path_buf()
}

/// Spaces and the like are three octal digits after a backslash.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'\\').then(|| after.split_at_checked(3)).flatten();
        let decoded = escaped.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, after))
        });
        let (byte, after) = decoded.unwrap_or((byte, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_MOUNTS: &[u8] = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";

    fn found(memberships: &[u8], mounts: &[u8]) -> Vec<(Version, String)> {
        let folders = folders(memberships, mounts).into_iter();
        folders
            .map(|(version, folder)| (version, folder.to_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn every_group_up_to_the_mount_counts() {
        let memberships = b"9:name=systemd:/\n4:cpu,memory:/a/b\n1:cpuset:/c\n";
        let expected = ["a/b", "a", ""].map(|path| {
            let folder = format!("/sys/fs/cgroup/memory/{path}");
            (Version::V1, folder.trim_end_matches('/').to_owned())
        });
        assert_eq!(found(memberships, V1_MOUNTS), expected);
    }

    #[test]
    fn a_container_sees_its_own_group_alone() {
        // With a namespace of its own.
        let mounts = b"630 620 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n";
        let own = [(Version::V2, "/sys/fs/cgroup".to_owned())];
        assert_eq!(found(b"0::/\n", mounts), own);
        // Without: the mount begins at its group.
        let mounts = b"35 31 0:32 /docker/01 /cg/with\\040space rw - cgroup cgroup rw,memory\n";
        let own = [(Version::V1, "/cg/with space".to_owned())];
        assert_eq!(found(b"4:memory:/docker/01\n", mounts), own);
        // Another container's.
        assert_eq!(found(b"4:memory:/docker/012\n", mounts), []);
        // Moved out of what the namespace shows.
        assert_eq!(found(b"0::/../other\n", mounts), []);
    }

    #[test]
    fn what_is_no_limit_is_none() {
        assert_eq!(parse_limit(b"max\n"), None);
        assert_eq!(parse_limit(b"9223372036854771712\n"), None);
        assert_eq!(parse_limit(b"268435456\n"), Some(256 << 20));
        assert_eq!(parse_limit(b""), None);
    }

    #[test]
    fn lines_cut_anywhere_are_survived() {
        for end in 0..V1_MOUNTS.len() {
            folders(b"4:memory:/a\n0::/b", &V1_MOUNTS[..end]);
        }
        assert_eq!(unescaped(b"a\\040b\\9\\04"), b"a b\\9\\04");
    }
}
