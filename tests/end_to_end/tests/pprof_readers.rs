//! Every profile that heapprof writes is read by the real `pprof`, the newest
//! and an older one, and shows exactly what this program did.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::hint::black_box;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fs, mem};

use heapprof::{Alloc, PprofOptions, Snapshot, Symbols, View};
use heapprof_end_to_end::reader::TopLine;
use heapprof_end_to_end::{Block, Profile, Reader, Values};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

// The functions whose memory the profiles have to show.

#[inline(never)]
fn plain() -> Block {
    Block::new(black_box(64)) // found by -list
}

#[inline(always)]
fn inlined_callee() -> Block {
    Block::new(black_box(1_000))
}

#[inline(never)]
fn inlining_caller() -> Block {
    inlined_callee()
}

#[inline(never)]
fn by_closure() -> Box<dyn Fn() -> Block> {
    // Captures nothing, hence no allocation of its own.
    Box::new(|| Block::new(black_box(128)))
}

trait Store {
    fn fill(&self) -> Block;
}

/// A name as long as real programs have them.
struct Shelf<K, V>(PhantomData<(K, V)>);

impl<K: Ord, V> Store for Shelf<BTreeMap<K, Vec<V>>, Result<(K, V), Option<&'static K>>> {
    #[inline(never)]
    fn fill(&self) -> Block {
        Block::new(black_box(4_096))
    }
}

#[inline(never)]
#[expect(
    clippy::ptr_arg,
    reason = "a slice would be cloned by another function"
)]
fn clones(vector: &Vec<u64>) -> Vec<u64> {
    // Not the last thing done, or a tail call would leave no frame.
    black_box(vector.clone())
}

/// What a function did before the first snapshot, and what it did altogether.
struct Site {
    name: &'static str,
    early: Values,
    late: Values,
}

fn sites() -> [Site; 5] {
    [
        Site {
            name: "pprof_readers::plain",
            early: Values::held(100, 64),
            late: Values::held(150, 64),
        },
        Site {
            name: "pprof_readers::inlining_caller",
            early: Values::held(50, 1_000),
            late: Values::held(50, 1_000),
        },
        Site {
            name: "pprof_readers::by_closure",
            early: Values::held(30, 128),
            late: Values::partly_freed(30, 20, 128),
        },
        Site {
            name: "pprof_readers::Store>::fill",
            early: Values::held(20, 4_096),
            late: Values::held(23, 4_096),
        },
        Site {
            name: "pprof_readers::clones",
            early: Values::held(10, 8_000),
            late: Values::held(10, 8_000),
        },
    ]
}

/// Does what `sites` says, between the two snapshots and before.
fn act() -> (Snapshot, Snapshot) {
    let shelf: &dyn Store =
        &Shelf::<BTreeMap<String, Vec<u8>>, Result<(String, u8), Option<&String>>>(PhantomData);
    let closure = by_closure();
    let vector = vec![7_u64; 1_000];
    let snapshot = || Snapshot::take().expect("the allocator is registered");

    let mut held: Vec<Block> = Vec::new();
    held.extend((0..100).map(|_| plain()));
    held.extend((0..50).map(|_| inlining_caller()));
    let mut from_closure: Vec<Block> = (0..30).map(|_| closure()).collect();
    held.extend((0..20).map(|_| shelf.fill()));
    let cloned: Vec<Vec<u64>> = (0..10).map(|_| clones(&vector)).collect();
    let early = snapshot();

    held.extend((0..50).map(|_| plain()));
    from_closure.truncate(10);
    held.extend((0..3).map(|_| shelf.fill()));
    let late = snapshot();

    mem::forget((held, from_closure, cloned));
    (early, late)
}

/// The snapshots that every test writes and reads in its own way.
struct Profiles {
    early: Snapshot,
    late: Snapshot,
}

impl Profiles {
    /// Writes a snapshot and decodes it.
    fn write(&self, name: &str, snapshot: &Snapshot, options: PprofOptions) -> (PathBuf, Profile) {
        let mut bytes = Vec::new();
        snapshot
            .write_pprof(&mut bytes, options)
            .expect("a vector takes everything");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, &bytes).expect("the folder is writable");
        (path, Profile::decode(&bytes))
    }

    fn heap(&self, name: &str) -> (PathBuf, Profile) {
        self.write(name, &self.late, PprofOptions::default())
    }
}

static PROFILES: LazyLock<Profiles> = LazyLock::new(|| {
    let (early, late) = act();
    Profiles { early, late }
});

type Figure = fn(&Values) -> i64;

/// The sample types with the value that `Values` has for them.
const SAMPLE_TYPES: [(&str, &str, Figure); 4] = [
    ("alloc_objects", "count", |values| values.alloc_objects),
    ("alloc_space", "bytes", |values| values.alloc_bytes),
    ("inuse_objects", "count", |values| values.in_use_objects),
    ("inuse_space", "bytes", |values| values.in_use_bytes),
];

#[test]
fn the_second_decoder_finds_what_was_done() {
    let (_, profile) = PROFILES.heap("decoded.pb.gz");
    for site in sites() {
        assert_eq!(profile.sum(site.name), site.late, "{}", site.name);
    }
    assert_eq!(
        profile.sample_types(),
        SAMPLE_TYPES.map(|(kind, unit, _)| (kind, unit))
    );
    assert_eq!(profile.period(), ("space", "bytes", 1));
    assert_eq!(
        profile.default_sample_type(),
        "",
        "pprof then takes the last, inuse_space"
    );
    let (time, duration) = profile.time_and_duration();
    assert!(time > 1_600_000_000_000_000_000, "{time} is not now");
    assert_eq!(duration, 0);
    assert_eq!(profile.object_sizes("pprof_readers::plain"), [64]);
}

#[test]
fn mappings_are_where_the_addresses_are() {
    let (_, profile) = PROFILES.heap("mappings.pb.gz");
    assert_eq!(profile.misplaced_addresses(), [0_u64; 0]);
    let main = &profile.mappings()[0];
    let program = std::env::current_exe().expect("this program has a path");
    assert_eq!(
        Path::new(&main.file),
        program,
        "the program itself comes first"
    );
    assert_eq!(
        Some(main.build_id.as_str()),
        own_build_id(&program).as_deref()
    );
    let maps = fs::read_to_string("/proc/self/maps").expect("this is Linux");
    let range = format!("{:x}-{:x} r-xp {:08x}", main.start, main.limit, main.offset);
    assert!(maps.contains(&range), "{range} is not among:\n{maps}");
}

/// What binutils say of it.
fn own_build_id(program: &Path) -> Option<String> {
    let output = std::process::Command::new("readelf")
        .arg("-n")
        .arg(program)
        .output();
    let text = String::from_utf8_lossy(&output.expect("readelf is installed").stdout).into_owned();
    Some(text.split_once("Build ID: ")?.1.lines().next()?.to_owned())
}

#[test]
fn top_shows_the_exact_figures_in_every_sample_type() {
    let (heap, _) = PROFILES.heap("top-heap.pb.gz");
    let allocs = PprofOptions::default().view(View::Allocs);
    let (allocs, _) = PROFILES.write("top-allocs.pb.gz", &PROFILES.late, allocs);
    let names = PprofOptions::default().symbols(Symbols::Names);
    let (names, _) = PROFILES.write("top-names.pb.gz", &PROFILES.late, names);
    for reader in Reader::both() {
        for file in [&heap, &allocs, &names] {
            for (sample_type, _, value) in SAMPLE_TYPES {
                let top = reader.top(sample_type, [file]);
                for site in sites() {
                    assert_eq!(
                        cumulative(&top, site.name),
                        value(&site.late),
                        "{sample_type} of {} in {}",
                        site.name,
                        file.display()
                    );
                }
            }
        }
    }
}

/// The cumulative value of a site. Several functions may carry its name (the
/// closure in `by_closure`): the one that the others are called by counts.
fn cumulative(top: &HashMap<String, TopLine>, name: &str) -> i64 {
    let values = top.iter().filter(|(function, _)| function.contains(name));
    values
        .map(|(_, line)| line.cumulative)
        .max_by_key(|value| value.abs())
        .unwrap_or(0)
}

#[test]
fn the_view_is_what_pprof_shows_unasked() {
    let (heap, _) = PROFILES.heap("view-heap.pb.gz");
    let options = PprofOptions::default().view(View::Allocs);
    let (allocs, decoded) = PROFILES.write("view-allocs.pb.gz", &PROFILES.late, options);
    assert_eq!(decoded.default_sample_type(), "alloc_space");
    for reader in Reader::both() {
        let shown = |file: &Path| reader.run([OsStr::new("-top"), file.as_os_str()]);
        assert!(shown(&heap).contains("Type: inuse_space\n"));
        assert!(shown(&allocs).contains("Type: alloc_space\n"));
    }
}

#[test]
fn names_full_of_generics_come_through_whole() {
    let (file, profile) = PROFILES.heap("generics.pb.gz");
    let name_of = |part: &str| -> String {
        let frames = profile.stacks(part).concat();
        let frame = frames.iter().find(|frame| frame.name.contains(part));
        frame
            .unwrap_or_else(|| panic!("no function's name contains {part}"))
            .name
            .clone()
    };
    let fill = name_of("pprof_readers::Store>::fill");
    assert!(
        fill.starts_with("<pprof_readers::Shelf<alloc::collections::btree::map::BTreeMap<"),
        "{fill}"
    );
    let clone = name_of("as core::clone::Clone>::clone");
    assert!(clone.starts_with("<alloc::vec::Vec<"), "{clone}");
    for reader in Reader::both() {
        let top = reader.top("alloc_space", [&file]);
        for name in [&fill, &clone] {
            assert!(
                top.contains_key(name),
                "{name} is not among {:#?}",
                top.keys()
            );
        }
    }
}

#[test]
fn stacks_begin_with_the_users_own_call_and_keep_inlined_frames() {
    let (file, profile) = PROFILES.heap("traces.pb.gz");
    for stack in profile.stacks("pprof_readers::inlining_caller") {
        let names: Vec<&str> = stack.iter().map(|frame| frame.name.as_str()).collect();
        let position = |part: &str| names.iter().position(|name| name.contains(part));
        // With `debug = "line-tables-only"` inlined functions have bare names.
        let callee = position("inlined_callee");
        let caller = position("pprof_readers::inlining_caller");
        assert!(callee.is_some() && callee < caller, "{names:#?}");
        for name in &names {
            assert!(
                !name.starts_with("heapprof::") && !name.starts_with("<heapprof::"),
                "{names:#?}"
            );
            assert!(!name.contains("__rust_alloc"), "{names:#?}");
        }
    }
    for reader in Reader::both() {
        let traces = reader.run([OsStr::new("-traces"), file.as_os_str()]);
        let stack = traces
            .split("-----------+---")
            .find(|t| t.contains("inlined_callee"));
        let stack = stack.unwrap_or_else(|| panic!("no trace has it:\n{traces}"));
        assert!(stack.contains("pprof_readers::inlining_caller"), "{stack}");
    }
}

#[test]
fn raw_lists_each_record_with_its_size_and_location() {
    let (file, profile) = PROFILES.heap("raw.pb.gz");
    for reader in Reader::both() {
        let raw = reader.run([OsStr::new("-raw"), file.as_os_str()]);
        assert!(
            raw.contains("PeriodType: space bytes\nPeriod: 1\n"),
            "{raw}"
        );
        assert!(raw.contains(
            "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes"
        ));
        let header = raw
            .lines()
            .position(|line| line.starts_with("alloc_objects/count"));
        let samples = raw.lines().skip(header.expect("found above") + 1);
        let samples = samples.take_while(|line| *line != "Locations");
        let sums = samples
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(values, _)| {
                let values: Vec<i64> = values
                    .split_whitespace()
                    .map_while(|v| v.parse().ok())
                    .collect();
                (values.len() == 4).then_some(values)
            });
        let sum = sums.fold([0; 4], |sum, values| {
            [0, 1, 2, 3].map(|i| sum[i] + values[i])
        });
        assert_eq!(
            sum,
            SAMPLE_TYPES.map(|(_, _, value)| value(&profile.total()))
        );
        assert!(raw.contains("bytes:[4096]"), "{raw}");
    }
}

#[test]
fn list_shows_the_line_that_allocates() {
    let (file, _) = PROFILES.heap("list.pb.gz");
    for reader in Reader::both() {
        let list = reader.run([
            OsStr::new("-list=pprof_readers::plain$"),
            OsStr::new("-unit=B"),
            file.as_os_str(),
        ]);
        let line = list.lines().find(|line| line.contains("// found by -list"));
        let line = line.unwrap_or_else(|| panic!("the source is not shown:\n{list}"));
        assert!(line.contains("9600B"), "{line}");
    }
}

#[test]
fn pictures_are_drawn() {
    let (file, _) = PROFILES.heap("picture.pb.gz");
    for reader in Reader::both() {
        let png = reader.bytes([
            OsStr::new("-png"),
            OsStr::new("-output=/dev/stdout"),
            file.as_os_str(),
        ]);
        assert!(
            png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 10_000,
            "{} bytes",
            png.len()
        );
    }
}

#[test]
fn differences_are_what_happened_in_between() {
    let options = PprofOptions::default();
    let (early, _) = PROFILES.write("diff-early.pb.gz", &PROFILES.early, options);
    let (late, _) = PROFILES.heap("diff-late.pb.gz");
    let since = PROFILES.late.since(&PROFILES.early);
    let (since, decoded) = PROFILES.write("diff-since.pb.gz", &since, options);
    assert!(
        decoded.time_and_duration().1 > 0,
        "a difference covers some time"
    );

    let base = format!("-diff_base={}", early.display());
    for reader in Reader::both() {
        for (sample_type, _, value) in SAMPLE_TYPES {
            let by_pprof = reader.top(sample_type, [OsStr::new(&base), late.as_os_str()]);
            let by_us = reader.top(sample_type, [&since]);
            for site in sites() {
                let expected = value(&site.late) - value(&site.early);
                for (by, top) in [("pprof", &by_pprof), ("Snapshot::since", &by_us)] {
                    let found = cumulative(top, site.name);
                    assert_eq!(found, expected, "{sample_type} of {} by {by}", site.name);
                }
            }
        }
    }
}

#[test]
fn addresses_alone_are_symbolized_by_pprof() {
    let options = PprofOptions::default().symbols(Symbols::None);
    let (file, profile) = PROFILES.write("none.pb.gz", &PROFILES.late, options);
    let named = profile
        .stacks("")
        .concat()
        .into_iter()
        .map(|frame| frame.name);
    let named: Vec<String> = named.filter(|name| !name.starts_with('[')).collect();
    assert_eq!(named, [""; 0], "only [no stack] and the like have names");
    let top = Reader::standalone().top("alloc_space", [&file]);
    for site in sites() {
        assert_eq!(
            cumulative(&top, site.name),
            site.late.alloc_bytes,
            "{top:#?}"
        );
    }
    // What belongs to no function is shown by file; nothing is lost.
    for reader in Reader::both() {
        let options = [OsStr::new("-symbolize=none"), file.as_os_str()];
        let flat: i64 = reader
            .top("alloc_space", options)
            .values()
            .map(|line| line.flat)
            .sum();
        assert_eq!(flat, profile.total().alloc_bytes);
    }
}
