//! Files: whose they are, how many are kept, and what if there is no room.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::ptr;

use heapprof::{Threshold, TriggersBuilder};

use crate::memory::{MIB, take};
use crate::{SOON, start, wait_for};

pub(crate) fn permissions(builder: TriggersBuilder, folder: &Path) {
    let triggers = start(builder.every(SOON));
    let status = wait_for(&triggers, |status| status.dumps > 0);
    triggers.stop();
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    println!("folder {:o}", mode(folder));
    println!("file {:o}", mode(&status.last_file.expect("there is one")));
}

pub(crate) fn retention(builder: TriggersBuilder, folder: &Path) {
    let keep = NonZeroUsize::new(3).expect("three are some");
    let triggers = start(builder.every(SOON).keep_files(keep));
    fs::write(folder.join("stranger.pb.gz"), "not ours").expect("it can be written");
    wait_for(&triggers, |status| status.dumps >= 10);
    triggers.stop();
}

pub(crate) fn no_room(builder: TriggersBuilder) {
    limit_file_size(100);
    dump_until(builder, || limit_file_size(libc::RLIM_INFINITY));
}

pub(crate) fn no_room_in_flight(builder: TriggersBuilder) {
    limit_file_size(100);
    dump_in_flight_until(builder, || limit_file_size(libc::RLIM_INFINITY));
}

pub(crate) fn full_disk(builder: TriggersBuilder, folder: &Path) {
    on_full_disk(folder, |disk| {
        dump_until(builder.folder(disk.dumps()), || disk.make_room());
    });
}

pub(crate) fn full_disk_in_flight(builder: TriggersBuilder, folder: &Path) {
    on_full_disk(folder, |disk| {
        dump_in_flight_until(builder.folder(disk.dumps()), || disk.make_room());
    });
}

/// Fails, fails again, and works as soon as there is room.
fn dump_until(builder: TriggersBuilder, make_room: impl FnOnce()) {
    let triggers = start(builder.every(SOON));
    let status = wait_for(&triggers, |status| status.failed_dumps >= 3);
    println!("dumps {}", status.dumps);
    println!("{}", status.last_error.expect("there is one"));
    make_room();
    let status = wait_for(&triggers, |status| status.dumps >= 1);
    assert_eq!(status.last_error, None);
    triggers.stop();
}

fn dump_in_flight_until(builder: TriggersBuilder, make_room: impl FnOnce()) {
    let threshold = Threshold::bytes(1).step(32 << 20);
    let triggers = start(builder.on_resident(threshold).at_most_every(SOON));
    let mut blocks = Vec::new();
    for failed in 1..=2 {
        wait_for(&triggers, |status| status.failed_dumps == failed);
        take(&mut blocks, 33 * MIB);
    }
    wait_for(&triggers, |status| status.failed_dumps == 3);
    make_room();
    take(&mut blocks, 33 * MIB);
    wait_for(&triggers, |status| status.dumps == 1);
    triggers.stop();
}

fn limit_file_size(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: limits this process.
    let failed = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(failed, 0);
    // SAFETY: as said: an error is enough.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// A disk of 1 MiB that no other process sees and that ends with this one.
struct Disk {
    point: PathBuf,
}

/// Does it on a disk without room, and brings what was dumped there to `folder`.
fn on_full_disk(folder: &Path, dump: impl FnOnce(&Disk)) {
    let disk = match Disk::full(folder.with_extension("disk")) {
        Ok(disk) => disk,
        Err(error) => {
            println!("no disk can be mounted here: {error}");
            return;
        }
    };
    dump(&disk);
    fs::create_dir(folder).expect("it is not there yet");
    for dump in fs::read_dir(disk.dumps()).expect("they were written") {
        let dump = dump.expect("folders can be read");
        fs::copy(dump.path(), folder.join(dump.file_name())).expect("there is room");
    }
}

impl Disk {
    fn full(point: PathBuf) -> io::Result<Self> {
        fs::create_dir(&point)?;
        // SAFETY: this thread, the only one, has the mounts to itself from here on.
        done(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        mount(Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE)?;
        mount(&point, Some((c"tmpfs", c"size=1m")), 0)?;
        let disk = Self { point };
        fs::create_dir(disk.dumps())?;
        let mut filling = File::create(disk.filling())?;
        let error = loop {
            if let Err(error) = filling.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        Ok(disk)
    }

    fn dumps(&self) -> PathBuf {
        self.point.join("dumps")
    }

    fn filling(&self) -> PathBuf {
        self.point.join("filling")
    }

    /// Nothing was written where there was none.
    fn make_room(&self) {
        let mut dumps = fs::read_dir(self.dumps()).expect("it was made");
        assert!(dumps.next().is_none(), "something half-written is seen");
        fs::remove_file(self.filling()).expect("it is there");
    }
}

/// Mounts a file system of this kind with these options, or changes the mount that there
/// is.
fn mount(point: &Path, new: Option<(&CStr, &CStr)>, flags: libc::c_ulong) -> io::Result<()> {
    let point = CString::new(point.as_os_str().as_bytes())?;
    let (kind, options) = new.map_or((ptr::null(), ptr::null()), |(kind, options)| {
        (kind.as_ptr(), options.as_ptr())
    });
    // SAFETY: strings that end, or null where nothing is to be said.
    done(unsafe { libc::mount(kind, point.as_ptr(), kind, flags, options.cast()) })
}

fn done(returned: libc::c_int) -> io::Result<()> {
    match returned {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
