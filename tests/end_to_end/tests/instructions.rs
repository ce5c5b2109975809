//! The same promise, counted as it is run: how many instructions of heapprof's own
//! an operation takes that is not sampled, held against `instructions.txt`. Valgrind
//! counts them, the same number in every run.
//!
//! The counts are a compiler's as much as ours, hence kept for each target and
//! compiler. For one that the file does not know, they are shown and nothing is
//! held against them.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use heapprof_end_to_end::counted::OPERATIONS;

const CASES: [&str; 5] = ["alloc", "alloc_zeroed", "realloc", "free", "free_beside"];

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// Set to write the counts down instead of comparing them.
const REWRITE: &str = "HEAPPROF_REWRITE_INSTRUCTIONS";
const REWRITING: &str = "HEAPPROF_REWRITE_INSTRUCTIONS=1 cargo test --release -p heapprof-end-to-end --test instructions";

/// Instructions of one operation, by the function that they are in.
type Count = BTreeMap<String, u64>;

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "counts what a release build runs: cargo test --release"
)]
fn an_unsampled_operation_runs_as_many_instructions_as_are_written_down() {
    let compiler = compiler();
    let counts = CASES.map(|case| (case, count(case)));
    let mut listing = String::new();
    for (case, functions) in &counts {
        writeln!(listing, "{case} {}", total(functions)).expect("a string has room");
        for (function, instructions) in functions {
            writeln!(listing, "{instructions:8} {function}").expect("a string has room");
        }
    }
    println!("{compiler}\n{listing}");

    let known = fs::read_to_string(FILE).expect("instructions.txt is there");
    let measured = counts.map(|(case, functions)| format!("{case} {}", total(&functions)));
    if env::var_os(REWRITE).is_some() {
        fs::write(FILE, rewritten(&known, &compiler, &measured)).expect("it can be written");
        return;
    }
    let Some(expected) = section(&known, &compiler) else {
        println!("Nothing is written down for this compiler. To change that:\n\n    {REWRITING}\n");
        return;
    };
    assert_eq!(
        expected, measured,
        "\n\nThe instructions of an operation that is not sampled changed, to\n\n{listing}\n\
         If that is meant to be, write it down:\n\n    {REWRITING}\n"
    );
}

/// What is recorded makes a sample wait for memory, but never look through more of
/// it: tables do not fill up and chains do not grow long.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "counts what a release build runs: cargo test --release"
)]
fn a_sample_runs_no_more_instructions_the_more_is_recorded() {
    let sample = |stacks: &str, live| total(&run(&["sample", stacks, live])) / OPERATIONS as u64;
    // From a tenth of the live table's first level into its second.
    let (few, many) = (sample("1000", "3000"), sample("30000", "30000"));
    println!("instructions of a sample and its free: {few}, and {many} where more is recorded");
    assert!(many < few + few / 20, "{few} became {many}");
}

fn total(functions: &Count) -> u64 {
    functions.values().sum()
}

/// What the file has its counts under: the target and `rustc -V`.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.expect("cargo has just run rustc").stdout;
    let text = String::from_utf8(output).expect("rustc prints text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let version = text.lines().next().expect("rustc says its version");
    format!("{}, {version}", host.expect("rustc says its host"))
}

/// The lines below a compiler's own.
fn section<'a>(file: &'a str, compiler: &str) -> Option<Vec<&'a str>> {
    let mut lines = file.lines().skip_while(|line| *line != compiler);
    lines.next()?;
    Some(lines.take_while(|line| !line.is_empty()).collect())
}

/// The file with other lines below a compiler's own, which is new or not.
fn rewritten(file: &str, compiler: &str, counts: &[String]) -> String {
    let paragraphs = file.trim_end().split("\n\n");
    let others = paragraphs.filter(|paragraph| paragraph.lines().next() != Some(compiler));
    let own = format!("{compiler}\n{}\n", counts.join("\n"));
    others
        .map(|other| format!("{other}\n\n"))
        .chain([own])
        .collect()
}

/// What one operation of this case runs through, the same each time.
fn count(case: &str) -> Count {
    let operations = OPERATIONS as u64;
    let per_operation = |(function, instructions): (String, u64)| {
        assert!(
            instructions % operations == 0,
            "{case}: {instructions} instructions of {function} in {operations} operations"
        );
        (function, instructions / operations)
    };
    run(&[case]).into_iter().map(per_operation).collect()
}

/// What the program runs through while it is counted.
fn run(args: &[&str]) -> Count {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("callgrind.out");
    let output = Command::new("valgrind")
        // Counting begins and ends with each call of a function of such a name.
        .args(["--tool=callgrind", "--toggle-collect=*counted_*"])
        // Every function's name in full, as it is in the binary.
        .args(["--compress-strings=no", "--demangle=no"])
        .arg(format!("--callgrind-out-file={}", path.display()))
        .arg(env!("CARGO_BIN_EXE_instructions"))
        .args(args)
        .env_remove("HEAPPROF_SAMPLE_INTERVAL")
        .output()
        .expect("valgrind is installed by `cargo xtask test`");
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    own_costs(&path)
}

/// What is not ours: the loop around an operation, the allocator below, and a
/// function that the compiler calls to find out whether there is an allocator.
const OTHERS: [&str; 3] = ["counted_", "below_", "__rust_no_alloc_shim"];

/// Instructions by function, of our own functions.
fn own_costs(path: &Path) -> Count {
    let profile = fs::read_to_string(path).expect("callgrind writes its profile");
    let mut costs = own_costs_in(&profile);
    assert!(
        costs.keys().any(|function| function.contains("below_")),
        "callgrind counted nothing: {costs:?}"
    );
    costs.retain(|function, _| !OTHERS.iter().any(|other| function.contains(other)));
    costs
}

/// Instructions by function, of all that a profile of callgrind's holds.
fn own_costs_in(profile: &str) -> Count {
    let mut costs = Count::new();
    let mut function = "";
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = name;
        } else if line.starts_with("calls=") {
            // The next line's cost is the called function's.
            lines.next();
        } else if let Some((position, cost)) = line.split_once(' ')
            && position.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
        {
            let cost: u64 = cost.parse().expect("callgrind counts instructions alone");
            *costs.entry(function.to_owned()).or_default() += cost;
        }
    }
    costs
}

#[test]
fn a_call_is_counted_where_it_leads_to() {
    let profile = "events: Ir\nob=/program\nfl=alloc.rs\nfn=__rust_alloc\n12 3000\n+1 1000\n\
                   cob=/program\ncfn=below_alloc\ncalls=1000 0\n* 9000\n\n\
                   fn=below_alloc\n7 9000\ntotals: 13000\n";
    let costs = own_costs_in(profile);
    assert_eq!(costs["__rust_alloc"], 4000);
    assert_eq!(costs["below_alloc"], 9000);
    assert_eq!(costs.len(), 2);
}

#[test]
fn one_compiler_s_lines_are_rewritten() {
    let file = "# What this is.\n\nx86, rustc 1\nalloc 4\nfree 7\n\nx86, rustc 2\nalloc 3\n";
    assert_eq!(
        section(file, "x86, rustc 1"),
        Some(vec!["alloc 4", "free 7"])
    );
    assert_eq!(section(file, "x86, rustc 3"), None);
    let counts = ["alloc 5".to_owned()];
    let known = rewritten(file, "x86, rustc 1", &counts);
    assert_eq!(
        known,
        "# What this is.\n\nx86, rustc 2\nalloc 3\n\nx86, rustc 1\nalloc 5\n"
    );
    let new = rewritten(file, "arm, rustc 1", &counts);
    assert_eq!(section(&new, "arm, rustc 1"), Some(vec!["alloc 5"]));
    assert_eq!(section(&new, "x86, rustc 2"), Some(vec!["alloc 3"]));
}
