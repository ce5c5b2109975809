//! Everything at once, for seconds: `cargo xtask verify` takes minutes for it and
//! `cargo xtask soak` hours.

use std::process::Command;

use heapprof_end_to_end::scale;
use heapprof_hostile::Ran;

fn run(program: &str) -> String {
    let operations = 300_000 * scale();
    let ran = Ran::command(Command::new(program).arg(format!("operations={operations}")));
    ran.expect_success().stdout()
}

/// The samples lost in each phase, as the program prints them.
fn lost(printed: &str) -> Vec<u64> {
    let phases = printed.lines().filter(|line| line.contains(" lost, "));
    phases
        .map(|line| {
            let before = line.split(" lost, ").next().unwrap_or_default();
            let number = before.rsplit(' ').next().unwrap_or_default();
            number.parse().expect("a number")
        })
        .collect()
}

#[test]
fn the_books_balance_after_everything_at_once() {
    let printed = run(env!("CARGO_BIN_EXE_stress"));
    assert!(printed.contains("nothing left"), "{printed}");
    assert_eq!(lost(&printed), [0; 9], "{printed}");
}

#[test]
fn the_books_balance_with_tables_at_their_caps() {
    let printed = run(env!("CARGO_BIN_EXE_stress_at_caps"));
    assert!(printed.contains("nothing left"), "{printed}");
    // Otherwise no table was full.
    assert!(lost(&printed).iter().sum::<u64>() > 10_000, "{printed}");
}
