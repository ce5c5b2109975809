//! Bad input to a program that is in good health: errors that name the mend,
//! and nothing broken by them.

use std::sync::Barrier;
use std::{fs, thread};

use heapprof::{Alloc, Error, Snapshot};
use heapprof_end_to_end::{Block, Profile, Values};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

#[inline(never)]
fn held() -> Block {
    Block::new(5_000)
}

#[test]
fn an_interval_beyond_isize_max_is_refused_and_changes_nothing() {
    let beyond = isize::MAX as u64 + 1;
    for bytes in [beyond, u64::MAX] {
        let error = heapprof::set_sample_interval(bytes).expect_err("no such interval");
        assert!(
            matches!(error, Error::InvalidInterval(refused) if refused == bytes),
            "{error:?}"
        );
        assert!(error.to_string().contains(&bytes.to_string()), "{error}");
        assert_eq!(heapprof::sample_interval(), 1);
    }
}

#[test]
fn a_path_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("the folder is writable");
    for path in [
        folder.path().join("missing/heap.pb.gz"),
        file.join("heap.pb.gz"),
        folder.path().to_owned(),
        "".into(),
    ] {
        for result in [
            heapprof::dump_heap_to(&path),
            heapprof::dump_allocs_to(&path),
        ] {
            let error = result.expect_err("no file can be there");
            assert!(
                matches!(&error, Error::Io { path: named, .. } if *named == path),
                "{error:?}"
            );
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error_and_no_device_is_replaced() {
    let error = heapprof::dump_heap_to("/dev/full").expect_err("it is full");
    let Error::Io { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    heapprof::dump_heap_to("/dev/null").expect("it takes everything");
    for device in ["/dev/full", "/dev/null"] {
        let metadata = fs::symlink_metadata(device).expect("it is still there");
        assert!(!metadata.is_file(), "{device} is a file now");
    }
}

#[test]
fn a_writer_that_fails_is_an_error() {
    let snapshot = Snapshot::take().expect("the allocator is registered");
    let mut room = [0; 64];
    let error = snapshot.write_pprof(&mut &mut room[..], Default::default());
    assert!(matches!(error, Err(Error::Write(_))), "{error:?}");
}

#[test]
fn dumps_at_the_same_time_are_each_whole() {
    const THREADS: usize = 6;
    let block = held();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let shared = folder.path().join("heap.pb.gz");
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..3 {
                    let bytes = heapprof::dump_heap().expect("the heap is dumped");
                    check(&bytes);
                    heapprof::dump_heap_to(&shared).expect("the folder is writable");
                    // Whichever thread's it is, it is nobody's half.
                    check(&fs::read(&shared).expect("it was written"));
                }
            });
        }
    });
    drop(block);
    let files = fs::read_dir(folder.path())
        .expect("the folder is readable")
        .count();
    assert_eq!(files, 1, "no temporary file is left");

    fn check(gzip: &[u8]) {
        assert_eq!(
            Profile::decode(gzip).sum("faults::held"),
            Values::held(1, 5_000)
        );
    }
}
