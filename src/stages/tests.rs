use std::time::Duration;

use super::*;
use crate::export::testing::{record, snapshot};

/// A program's memory as it moves on: each stack with its objects of 1 MiB.
struct Program {
    stages: Stages,
    seconds: u64,
}

impl Program {
    fn new() -> Self {
        let stages = Stages {
            kept: Vec::new(),
            dropped: 0,
        };
        Self { stages, seconds: 0 }
    }

    /// Objects allocated and in use, stack by stack.
    fn stage(&mut self, name: &str, objects: &[(i64, i64)], peak_mib: u64) -> Stage {
        self.seconds += 1;
        self.stages.add(
            name,
            taken(objects, self.seconds),
            Process {
                resident_bytes: Some(20 << 20),
                peak_resident_bytes: Some(peak_mib << 20),
                ..untold()
            },
        )
    }

    fn in_use(&self, number: u64) -> Vec<(usize, i64)> {
        let snapshot = self.stages.snapshot(number).unwrap();
        let records = snapshot.records().iter();
        records.map(|r| (r.id, r.in_use().objects())).collect()
    }
}

/// Where the kernel and the allocator tell nothing.
fn untold() -> Process {
    Process {
        resident_bytes: None,
        peak_resident_bytes: None,
        #[cfg(unix)]
        memory: Memory {
            in_use: Counts::default(),
            allocator: None,
            process: None,
            cgroup: None,
            nearest_limit: None,
            own_bytes: 4_096,
        },
    }
}

fn taken(objects: &[(i64, i64)], seconds: u64) -> Snapshot {
    let records: Vec<Record> = objects
        .iter()
        .enumerate()
        .map(|(id, &(allocated, in_use))| record(id, &[id as u64], 1 << 20, allocated, in_use))
        .collect();
    let mut taken = snapshot(records, vec![]);
    taken.stats = taken.stats.clone().with_totals(&taken.records);
    taken.stats.records = taken.records.len() as u64;
    taken.taken_at += Duration::from_secs(seconds);
    taken
}

#[test]
fn a_stage_is_given_back_whole_and_keeps_what_changed() {
    let mut program = Program::new();
    program.stage("first", &[(1, 1), (2, 2), (3, 3)], 30);
    program.stage("second", &[(1, 1), (5, 4), (3, 3), (1, 1)], 30);
    program.stage("third", &[(1, 0), (5, 4), (3, 3), (1, 1)], 30);

    assert_eq!(program.in_use(1), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(program.in_use(2), [(0, 1), (1, 4), (2, 3), (3, 1)]);
    assert_eq!(program.in_use(3), [(0, 0), (1, 4), (2, 3), (3, 1)]);
    assert!(program.stages.snapshot(4).is_none() && program.stages.snapshot(0).is_none());
    let kept = program.stages.kept.iter();
    let kept: Vec<usize> = kept.map(|kept| kept.changed.len()).collect();
    assert_eq!(kept, [3, 2, 1]);

    let [first, third] = [1, 3].map(|number| program.stages.snapshot(number).unwrap());
    let change = third.since(&first);
    assert_eq!(change.duration, Some(Duration::from_secs(2)));
    assert_eq!(change.stats().in_use.objects(), 2);
}

#[test]
fn the_oldest_go_and_the_rest_stay_whole() {
    let mut program = Program::new();
    for stage in 1..=MAX_STAGES as i64 + 3 {
        program.stage("again", &[(7, 7), (stage, stage)], 30);
    }
    let numbers: Vec<u64> = program.stages.iter().map(|stage| stage.number).collect();
    let expected: Vec<u64> = (4..=MAX_STAGES as u64 + 3).collect();
    assert_eq!((numbers, program.stages.dropped()), (expected, 3));
    assert!(program.stages.snapshot(3).is_none());
    for number in [4, 5, 66] {
        assert_eq!(program.in_use(number), [(0, 7), (1, number as i64)]);
    }
    assert!(program.stages.to_string().contains("3 earlier stages"));
    assert!(program.stages.to_markdown().contains("3 earlier stages"));
}

#[test]
fn records_have_a_limit_but_for_the_latest_two_stages() {
    let mut program = Program::new();
    let many = MAX_BYTES / size_of::<Record>() / 2 + 1;
    program.stage("many", &vec![(1, 1); many], 30);
    program.stage("other ones", &vec![(2, 1); many], 30);
    assert_eq!(program.stages.iter().len(), 2);
    program.stage("and again", &vec![(3, 1); many], 30);
    assert_eq!(program.stages.iter().len(), 2);
    program.stage("a few", &[(3, 1), (9, 9)], 30);
    let kept: Vec<u64> = program.stages.iter().map(|stage| stage.number).collect();
    assert_eq!(kept, [3, 4]);
}

#[test]
fn a_change_and_a_peak_belong_to_their_stage() {
    let mut program = Program::new();
    let first = program.stage("first", &[(1, 1)], 30);
    assert!(first.change.is_none() && first.peak_is_new);
    let same = program.stage("same", &[(4, 1)], 30);
    let change = same.change.unwrap();
    assert_eq!((change.bytes, change.is_beyond_noise()), (0, false));
    assert!(!same.peak_is_new);
    assert_eq!(
        program
            .stage("off by one", &[(4, 1)], 29)
            .peak_resident_bytes,
        Some(30 << 20)
    );
    let less = program.stage("less", &[(4, 0)], 31);
    let change = less.change.unwrap();
    assert_eq!((change.bytes, change.is_beyond_noise()), (-1 << 20, true));
    assert!(less.peak_is_new);
}

#[test]
fn where_the_kernel_tells_nothing_there_is_no_peak() {
    let mut stages = Program::new().stages;
    let stage = stages.add("first", taken(&[(1, 1)], 1), untold());
    assert!(!stage.peak_is_new && stage.peak_resident_bytes.is_none());
    let own = if cfg!(unix) { "4096" } else { "" };
    let expected = format!(
        "1,\"first\",1700000001.000,1048576,1048576,1048576,1,1,,,false,,,,,,,,,,,,,,,,,,{own}"
    );
    let csv = stages.to_csv();
    let [head, first] = csv.lines().collect::<Vec<_>>()[..] else {
        panic!("{csv}");
    };
    assert_eq!(first, expected);
    assert_eq!(head.split(',').count(), first.split(',').count());
}

#[test]
fn tables_hold_any_name() {
    let mut program = Program::new();
    let stage = program.stage("a|b\n<i>\"c\",\u{1b}[2J é", &[(1, 1)], 30);
    assert_eq!(stage.name, "a|b <i>\"c\", [2J é");
    program.stage(&"n".repeat(1000), &[(12, 12)], 30);

    let n = "n".repeat(MAX_NAME_CHARS);
    let text = program.stages.to_string();
    let lines: Vec<&str> = text.lines().collect();
    let [head, first, second] = lines[..] else {
        panic!("{text}");
    };
    let stages: Vec<&str> = lines.iter().map(|line| &line[..3]).collect();
    assert_eq!(stages, ["#  ", "1  ", "2  "]);
    assert!(head[3..].starts_with(&format!("{:<100}  Time s  In use MiB", "Stage")));
    assert!(first[3..].starts_with(&format!("{:<100}     0.0        1.00", stage.name)));
    assert_eq!(
        &second[3..],
        format!(
            "{n}     1.0       12.00  12.00 to 12.00     20.00  ≤ 30.00       12        1         \
             +11.00  11.00 to 11.00  beyond the noise"
        )
    );

    let markdown = program.stages.to_markdown();
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("| ---: | --- | ---: |"));
    assert_eq!(
        lines[2],
        "| 1 | a\\|b &lt;i>\"c\", \\[2J é | 0.0 | 1.00 | 1.00 to 1.00 | 20.00 | 30.00 | 1 | 1 | - | - \
         | - |"
    );

    let csv = program.stages.to_csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].contains(",\"a|b <i>\"\"c\"\", [2J é\","));
    assert!(lines[2].contains(",false,11534336,11534336,11534336,true,"));
}
