//! Where the memory is, as stages keep it and pages show it.

use heapprof::http::{Cancellation, Pprof};
use heapprof::{Memory, memory, stage, stages};
use heapprof_memory::{MIB, blocks, drop_every_other, part};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOC: heapprof::Alloc<Jemalloc> =
    heapprof::Alloc::new(Jemalloc).with_sample_interval(1 << 14);

const FRAGMENTATION: &str = "fragmentation";

fn page(target: &str) -> String {
    let request = http::Request::get(format!("/debug/pprof/{target}")).body([]);
    let request = request.expect("it is well formed");
    let response = Pprof::new().respond(&request, &Cancellation::default());
    assert_eq!(response.status(), 200);
    String::from_utf8(response.into_body()).expect("pages are text")
}

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let found = text
        .split_once(before)
        .and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("no {before} in\n{text}")).0
}

/// Of `48.9 MiB`.
fn bytes_of(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').expect("a number and its unit");
    let number: f64 = number.parse().expect("it is a number");
    let unit = match unit {
        "bytes" => 1,
        "KiB" => 1 << 10,
        "MiB" => MIB,
        "GiB" => 1 << 30,
        other => panic!("{other}?"),
    };
    (number * unit as f64) as u64
}

/// A column of a table of comma-separated values without commas in them.
fn column<'a>(csv: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = csv.lines();
    let head = lines.next().expect("there is a head");
    let at = head.split(',').position(|head| head == name);
    let at = at.unwrap_or_else(|| panic!("no {name} in {head}"));
    lines
        .map(|line| {
            line.split(',')
                .nth(at)
                .expect("lines are as long as their head")
        })
        .collect()
}

#[test]
fn stages_and_pages_say_where_it_is() {
    const FREED: u64 = 10_000 * 5_120;
    let mut held = blocks(20_000, 5_020);
    let full = stage("full").expect("registered").memory;
    drop_every_other(&mut held);
    let holed = stage("holed").expect("registered").memory;
    assert!(part(&holed, FRAGMENTATION) > part(&full, FRAGMENTATION) + FREED / 2);
    // As the program itself would have been told.
    let now = memory().expect("registered");
    for part_now in now.parts() {
        let off = part(&holed, part_now.name).abs_diff(part_now.bytes);
        assert!(off < 8 * MIB, "{holed}{now}");
    }

    let stages = stages();
    let active = |memory: &Memory| memory.allocator.as_ref()?.active_bytes;
    let expected = [&full, &holed].map(|memory| active(memory).expect("jemalloc tells it"));
    let kept: Vec<_> = stages
        .iter()
        .filter_map(|stage| active(&stage.memory))
        .collect();
    assert_eq!(kept, expected);
    let csv = stages.to_csv();
    assert_eq!(
        column(&csv, "allocator_active_bytes"),
        expected.map(|bytes| bytes.to_string())
    );
    let own = [&full, &holed].map(|memory| memory.own_bytes.to_string());
    assert_eq!(column(&csv, "own_bytes"), own);

    let text = page("stages");
    let table = between(&text, "Where it was", "</table>");
    for (memory, name) in [(&full, "1: full"), (&holed, "2: holed")] {
        let row = between(table, &format!(">{name}</th>"), "</tr>");
        let cells: Vec<&str> = row
            .split("</td>")
            .filter_map(|cell| Some(cell.rsplit_once('>')?.1))
            .collect();
        let expected = memory
            .parts()
            .into_iter()
            .map(|part| format!("{:.2}", part.bytes as f64 / MIB as f64));
        assert!(
            cells
                .iter()
                .copied()
                .filter(|cell| !cell.is_empty())
                .eq(expected),
            "{table}\n{memory}"
        );
    }
    for part in holed.parts() {
        assert!(table.contains(&format!(">{}</th>", part.name)), "{table}");
    }

    let text = page("");
    let section = between(&text, "Where it is", "</section>");
    for (name, expected) in holed
        .parts()
        .into_iter()
        .map(|part| (part.name, part.bytes))
    {
        let row = between(section, &format!(">{name}</th>"), "</tr>");
        let shown = bytes_of(between(row, "<td class=\"figure\">", "</td>"));
        assert!(shown.abs_diff(expected) < 8 * MIB, "{row}: not {expected}");
    }
    assert!(section.contains("jemalloc active"), "{section}");
    drop(held);
}
