//! Blocks that pass through other hands than the wrapper's, and blocks that
//! outlive a change of the interval. Each case is a process of its own: the
//! filter of frees only ever gets finer.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use heapprof_hostile::Ran;

#[test]
fn c_code_frees_and_resizes_rusts_blocks() {
    for interval in ["524288", "65536", "16384", "4096", "128", "1"] {
        let ran = Ran::of(env!("CARGO_BIN_EXE_foreign"), &[interval]).expect_success();
        println!("interval {interval}:\n{}", ran.stdout());
        assert_eq!(ran.stderr(), "");
    }
}

#[test]
fn blocks_outlive_every_change_of_the_interval() {
    const INTERVALS: [&str; 6] = ["0", "1", "128", "4096", "16384", "524288"];
    for from in INTERVALS {
        for to in INTERVALS {
            let ran = Ran::of(env!("CARGO_BIN_EXE_mode_change"), &[from, to]).expect_success();
            println!("{from} -> {to}: {}", ran.stdout());
            assert_eq!(ran.stderr(), "");
        }
    }
}
