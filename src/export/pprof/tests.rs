//! Profiles decoded by a reader that shares no code with the writer.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime};

use super::decoder::Profile as Decoded;
use crate::error::Error;
use crate::export::pprof::{self, Header};
use crate::export::profile::{Hide, Label, LabelValue, Profile, Stack};
use crate::export::testing::{module, record, snapshot};
use crate::export::{PprofOptions, Symbols, View};
use crate::snapshot::{ReturnAddress, Snapshot, StackEnd};
use flate2::read::GzDecoder;

fn bytes(snapshot: &Snapshot, options: PprofOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.write_pprof(&mut bytes, options).unwrap();
    bytes
}

fn decode(snapshot: &Snapshot, options: PprofOptions) -> Decoded {
    decode_bytes(&bytes(snapshot, options))
}

fn decode_bytes(bytes: &[u8]) -> Decoded {
    let mut raw = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut raw).unwrap();
    Decoded::parse(&raw)
}

fn text_of(profile: &Decoded, index: i64) -> &str {
    &profile.string_table[usize::try_from(index).unwrap()]
}

/// Names of the functions of each sample, innermost first; `?` for none.
fn stacks(profile: &Decoded) -> Vec<Vec<String>> {
    let location = |id: i64| profile.location.iter().find(|l| l.id == id).unwrap();
    let function = |id: i64| profile.function.iter().find(|f| f.id == id).unwrap();
    let names = |id: i64| {
        let lines = &location(id).line;
        let named: Vec<String> = lines
            .iter()
            .map(|line| text_of(profile, function(line.function_id).name).to_owned())
            .collect();
        if named.is_empty() {
            vec!["?".to_owned()]
        } else {
            named
        }
    };
    profile
        .sample
        .iter()
        .map(|sample| {
            sample
                .location_id
                .iter()
                .flat_map(|&id| names(id))
                .collect()
        })
        .collect()
}

fn two_records() -> Snapshot {
    snapshot(
        vec![
            record(0, &[0x5100, 0x5200], 64, 10, 4),
            record(1, &[0x5100], 4096, 1, 0),
        ],
        vec![module("/usr/bin/app", 0x5000, 0x6000)],
    )
}

#[test]
fn conventions_are_those_of_go() {
    let profile = decode(&two_records(), PprofOptions::default());
    let text = |index| text_of(&profile, index);
    assert_eq!(text(0), "");
    let types: Vec<_> = profile
        .sample_type
        .iter()
        .map(|t| (text(t.ty), text(t.unit)))
        .collect();
    assert_eq!(
        types,
        [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ]
    );
    let period_type = &profile.period_type;
    assert_eq!(
        (text(period_type.ty), text(period_type.unit)),
        ("space", "bytes")
    );
    assert_eq!(profile.period, 512 * 1024);
    assert_eq!(profile.time_nanos, 1_700_000_000_000_000_000);
    assert_eq!(
        (
            profile.duration_nanos,
            profile.keep_frames,
            profile.drop_frames
        ),
        (0, 0, 0)
    );
    assert_eq!(profile.default_sample_type, 0);

    let values: Vec<_> = profile.sample.iter().map(|s| s.value.clone()).collect();
    assert_eq!(values, [[1, 4096, 0, 0], [10, 640, 4, 256]]);
    let labels: Vec<_> = profile.sample.iter().map(|s| &s.label[..]).collect();
    assert!(
        labels
            .iter()
            .all(|l| l.len() == 1 && text(l[0].key) == "bytes")
    );
    assert!(labels.iter().all(|l| l[0].num_unit == 0 && l[0].str == 0));
    assert_eq!((labels[0][0].num, labels[1][0].num), (4096, 64));

    let mapping = &profile.mapping[0];
    assert_eq!(
        (mapping.id, mapping.memory_start, mapping.memory_limit),
        (1, 0x5000, 0x6000)
    );
    assert_eq!(
        (mapping.file_offset, text(mapping.filename)),
        (0x1000, "/usr/bin/app")
    );
    assert_eq!(text(mapping.build_id), "ab0c");
    assert!(!mapping.has_functions);
    assert!(profile.location.iter().all(|l| l.mapping_id == 1));
    let addresses: Vec<_> = profile.location.iter().map(|l| l.address).collect();
    assert_eq!(addresses, [0x5100, 0x5200]);
}

#[test]
fn views_and_differences() {
    let mut snapshot = two_records();
    let allocs = decode(&snapshot, PprofOptions::default().view(View::Allocs));
    assert_eq!(text_of(&allocs, allocs.default_sample_type), "alloc_space");
    snapshot.duration = Some(Duration::from_millis(1500));
    assert_eq!(
        decode(&snapshot, PprofOptions::default()).duration_nanos,
        1_500_000_000
    );
}

/// What is in use is shown as it was at the peak, and said to be.
#[test]
fn the_peak_in_place_of_now() {
    let mut snapshot = snapshot(vec![record(0, &[0x5100], 8, 100, 10)], vec![]);
    snapshot.records[0].in_use_at_peak = snapshot.records[0].allocated;
    snapshot.stats = snapshot.stats.with_totals(&snapshot.records);
    snapshot.stats.peak_at = Some(snapshot.taken_at - Duration::from_millis(2500));
    let peak = decode(&snapshot, PprofOptions::default().view(View::Peak));
    assert_eq!(peak.sample[0].value, [100, 800, 100, 800]);
    assert_eq!(peak.default_sample_type, 0);
    assert!(peak.comment.iter().any(|&comment| {
        text_of(&peak, comment)
            == "heapprof: at its peak, 2.50 s before this profile, in use 800 bytes"
    }));
    let now = decode(&snapshot, PprofOptions::default());
    assert_eq!(now.sample[0].value, [100, 800, 10, 80]);
}

#[test]
fn the_same_contents_in_any_order_give_the_same_bytes() {
    let snapshot = two_records();
    let mut reversed = snapshot.clone();
    reversed.records.reverse();
    let options = PprofOptions::default();
    assert_eq!(bytes(&snapshot, options), bytes(&snapshot, options));
    assert_eq!(bytes(&snapshot, options), bytes(&reversed, options));
}

#[test]
fn equal_stacks_and_sizes_are_one_sample() {
    let mut again = record(2, &[0x5100, 0x5200], 64, 2, 1);
    again.module_generation = 1;
    let mut snapshot = two_records();
    snapshot.records.push(again);
    let profile = decode(&snapshot, PprofOptions::default());
    assert_eq!(profile.sample.len(), 2);
    assert_eq!(profile.sample[1].value, [12, 768, 5, 320]);
    assert_eq!(profile.location.len(), 2);
}

#[test]
fn ends_of_stacks_are_said_at_the_root() {
    let ended = |id, stack: &[u64], stack_end| {
        let mut record = record(id, stack, 8, 1, 1);
        record.stack_end = stack_end;
        record
    };
    let mut snapshot = snapshot(
        vec![
            ended(0, &[], StackEnd::NotCaptured),
            ended(1, &[0x10], StackEnd::Cut),
            ended(2, &[0x10], StackEnd::TooDeep),
        ],
        vec![],
    );
    snapshot.stats.lost_samples = 3;
    snapshot.stats.lost_objects = 30;
    snapshot.stats.lost_bytes = 3000;
    let profile = decode(&snapshot, PprofOptions::default());
    assert_eq!(
        stacks(&profile),
        [
            vec!["[no stack]"],
            vec!["?", "[truncated: deeper than 128 frames]"],
            vec!["?", "[cut: unknown code]"],
            vec!["[lost]"],
        ]
    );
    let lost = profile.sample.last().unwrap();
    assert_eq!(
        (&lost.value[..], lost.label.len()),
        (&[30, 3000, 0, 0][..], 0)
    );
    assert!(profile.location.iter().all(|l| l.mapping_id == 0));
    let comments: Vec<_> = profile
        .comment
        .iter()
        .map(|&c| text_of(&profile, c))
        .collect();
    assert!(
        comments
            .iter()
            .any(|c| c.starts_with("heapprof: 3 samples lost")),
        "{comments:?}"
    );
}

/// Any figures over any stacks, with labels that tell apart what is otherwise one.
#[test]
fn other_profiles_have_figures_and_labels_of_their_own() {
    let text = |key: &'static str, value: &'static str| Label {
        key: key.into(),
        value: LabelValue::Text(value.into()),
    };
    let size = Label {
        key: "size".into(),
        value: LabelValue::Number(7, "bytes"),
    };
    let stack = |labels, values| Stack {
        frames: &[ReturnAddress(0x5101)],
        module_generation: 0,
        note: None,
        labels,
        values,
    };
    let stacks = vec![
        stack(vec![text("thread", "one")], [1, 10]),
        stack(vec![text("thread", "two"), size], [2, 20]),
        stack(vec![text("thread", "one")], [3, 30]),
        stack(vec![], [1, 1]),
        stack(vec![], [-1, -1]),
    ];
    let modules = [module("/usr/bin/app", 0x5000, 0x6000)];
    let profile = Profile::new(stacks, &modules, Symbols::Full, Hide::Nothing);
    let header = Header {
        sample_types: &[("samples", "count"), ("cpu", "nanoseconds")],
        default_sample_type: None,
        period_type: ("cpu", "nanoseconds"),
        period: 10,
        taken_at: SystemTime::UNIX_EPOCH,
        duration: Some(Duration::from_secs(1)),
        drop_frames: None,
        comments: vec!["said".into()],
    };
    let mut bytes = Vec::new();
    pprof::write(&header, &profile, &mut bytes).unwrap();
    let profile = decode_bytes(&bytes);
    let text = |index| text_of(&profile, index);
    let types = profile.sample_type.iter();
    let types: Vec<_> = types.map(|t| (text(t.ty), text(t.unit))).collect();
    assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
    let period_type = &profile.period_type;
    assert_eq!(
        (text(period_type.ty), text(period_type.unit), profile.period),
        ("cpu", "nanoseconds", 10)
    );
    assert_eq!(profile.duration_nanos, 1_000_000_000);
    let values: Vec<_> = profile.sample.iter().map(|s| &s.value[..]).collect();
    assert_eq!(values, [[4, 40], [2, 20]], "what cancels out is left out");
    let labels: Vec<Vec<_>> = profile
        .sample
        .iter()
        .map(|s| {
            let labels = s.label.iter();
            labels
                .map(|l| (text(l.key), text(l.str), l.num, text(l.num_unit)))
                .collect()
        })
        .collect();
    assert_eq!(
        labels,
        [
            vec![("thread", "one", 0, "")],
            vec![("thread", "two", 0, ""), ("size", "", 7, "bytes")],
        ]
    );
    assert_eq!(text(profile.comment[0]), "said");
    assert_eq!(profile.location[0].address, 0x5100);
}

#[test]
fn the_main_program_comes_first_and_closed_libraries_only_if_used() {
    let mut program = (*module("/usr/bin/app", 0x9000, 0xa000)).clone();
    program.is_main_program = true;
    let closed = |path, start| {
        let mut library = (*module(path, start, start + 0x1000)).clone();
        library.until_generation = 1;
        library.into()
    };
    let snapshot = snapshot(
        vec![record(0, &[0x2100, 0x9100], 8, 1, 1)],
        vec![
            module("/lib/open.so", 0x2000, 0x3000),
            closed("/lib/unused.so", 0x4000),
            closed("/lib/used.so", 0x2000),
            program.into(),
        ],
    );
    let profile = decode(&snapshot, PprofOptions::default());
    let paths: Vec<_> = profile
        .mapping
        .iter()
        .map(|m| text_of(&profile, m.filename))
        .collect();
    assert_eq!(paths[0], "/usr/bin/app");
    assert!(!paths.contains(&"/lib/unused.so"), "{paths:?}");
}

#[test]
fn a_writer_that_fails_is_reported() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = two_records()
        .write_pprof(&mut Full, PprofOptions::default())
        .unwrap_err();
    assert!(matches!(error, Error::Write(source) if source.kind() == io::ErrorKind::StorageFull));
}

#[cfg(all(feature = "symbolize", cfi))]
mod symbolized {
    use super::*;
    use crate::export::testing::main_program;

    /// Does something of its own: equal functions may be merged into one.
    #[inline(never)]
    fn call<F: Fn() -> u64>(function: F) -> u64 {
        std::hint::black_box(function()) ^ 0x5EED
    }

    fn own_snapshot() -> Snapshot {
        let code = call::<fn() -> u64> as fn(_) -> _ as usize as u64;
        snapshot(vec![record(0, &[code + 1], 8, 1, 1)], vec![main_program()])
    }

    #[test]
    fn functions_have_both_names_and_a_place() {
        assert_eq!(call(|| 7), 7 ^ 0x5EED);
        let profile = decode(&own_snapshot(), PprofOptions::default());
        // Others may be inlined into it.
        let line = profile.location[0].line.last().expect("a function");
        let function = &profile.function[line.function_id as usize - 1];
        assert!(text_of(&profile, function.name).contains("symbolized::call"));
        assert!(text_of(&profile, function.system_name).starts_with("_"));
        assert!(text_of(&profile, function.filename).ends_with(file!()));
        assert!(function.start_line > 0 && profile.location[0].line[0].line > 0);
        let mapping = &profile.mapping[0];
        assert!(mapping.has_functions);
        assert_eq!(mapping.has_more, [false; 3]);
    }

    #[test]
    fn names_alone_stand_as_they_are() {
        let profile = decode(
            &own_snapshot(),
            PprofOptions::default().symbols(Symbols::Names),
        );
        assert!(text_of(&profile, profile.function[0].name).contains("symbolized::call"));
        assert!(profile.mapping[0].has_functions);
        assert_eq!(profile.drop_frames, 0);
        let profile = decode(
            &own_snapshot(),
            PprofOptions::default().symbols(Symbols::None),
        );
        assert!(profile.function.is_empty() && !profile.mapping[0].has_functions);
        assert_ne!(profile.drop_frames, 0);
    }

    #[test]
    fn threads_may_write_at_once() {
        let snapshot = own_snapshot();
        let expected = bytes(&snapshot, PprofOptions::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(bytes(&snapshot, PprofOptions::default()), expected));
            }
        });
    }
}
