use crate::export::View;
use crate::export::testing::{module, record, snapshot};

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_form_is_gos() {
    let mut snapshot = snapshot(
        vec![
            record(0, &[0x5100, 0x5200], 8, 100, 10),
            record(1, &[0x5300], 64, 1, 1),
        ],
        vec![module("/usr/bin/app", 0x5000, 0x6000)],
    );
    snapshot.stats.sample_interval = 1;
    snapshot.stats = snapshot.stats.clone().with_totals(&snapshot.records);
    snapshot.stats.own_bytes = 4096;
    let text = snapshot.to_text(View::InUse);
    let lines = lines(&text);
    // Ascending by bytes in use; return addresses first, then those of the calls.
    assert_eq!(
        lines[..11],
        [
            "heap profile: 11: 144 [101: 864] @ heap/2",
            "1: 64 [1: 64] @ 0x5301",
            "#\t0x5300",
            "",
            "10: 80 [100: 800] @ 0x5101 0x5201",
            "#\t0x5100",
            "#\t0x5200",
            "",
            "",
            "# runtime.MemStats",
            "# Alloc = 144",
        ]
    );
    assert_eq!(
        lines[11..17],
        [
            "# TotalAlloc = 864",
            "# Mallocs = 101",
            "# Frees = 90",
            "# HeapAlloc = 144",
            "# HeapObjects = 11",
            "# BuckHashSys = 4096",
        ]
    );
    assert!(!cfg!(unix) || lines[17].starts_with("# MaxRSS = "));
}

#[test]
fn equal_totals_are_told_apart() {
    let all = vec![record(0, &[0x5100], 8, 4, 4)];
    let mut snapshot = snapshot(all, vec![]);
    snapshot.stats.sample_interval = 1;
    let text = snapshot.to_text(View::InUse);
    assert_eq!(lines(&text)[0], "heap profile: 4: 32 [4: 33] @ heap/2");
    assert_eq!(lines(&text)[1], "4: 32 [4: 32] @ 0x5101");
}

#[test]
fn what_has_no_address_has_a_line_all_the_same() {
    let mut snapshot = snapshot(vec![], vec![]);
    snapshot.stats.lost_samples = 2;
    snapshot.stats.lost_objects = 1024;
    snapshot.stats.lost_bytes = 1 << 20;
    let text = snapshot.to_text(View::InUse);
    let lines = lines(&text);
    assert_eq!(lines[0], "heap profile: 0: 0 [2: 2048] @ heap/1048576");
    assert_eq!(lines[1..3], ["0: 0 [2: 2048] @", "#\t0x0\t[lost]"]);
}

#[cfg(all(feature = "symbolize", cfi))]
#[test]
fn frames_have_names_offsets_and_lines() {
    let function = frames_have_names_offsets_and_lines as fn() as usize as u64;
    let records = vec![record(0, &[function + 1], 8, 1, 1)];
    let text = snapshot(records, vec![crate::export::testing::main_program()]).to_text(View::InUse);
    // Calls that were inlined there may come first.
    let named = |line: &&&str| line.contains("::frames_have_names_offsets_and_lines+0x1\t");
    let frame = *lines(&text).iter().find(named).expect(&text);
    let start = format!("#\t{:#x}\t", function + 1);
    assert!(frame.starts_with(&start), "{frame}");
    assert!(frame.contains("tests.rs:"), "{frame}");
}
