//! The profiler has no memory left: its limit is reached, its tables are full,
//! or the system gives no more. The program goes on, every lost sample is
//! counted and said in the profile, every free is right, and what is recorded is
//! exact.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::path::Path;
use std::process::Command;

use heapprof_end_to_end::{Profile, Values};
use heapprof_hostile::exhausted::{AFTERWARDS, AGAIN, BLOCKS, LIMITS, SIZE, STACKS};
use heapprof_hostile::{Ran, folder};

const PROGRAM: &str = env!("CARGO_BIN_EXE_exhausted");

/// Samples that a run lost, by phase, and lifetimes of samples that it did not lose.
#[derive(Debug, PartialEq)]
struct Lost {
    /// Of many blocks that are held.
    blocks: i64,
    /// Of many stacks.
    stacks: i64,
    /// After the blocks were freed, at the same stack.
    again: i64,
    /// At a new stack.
    afterwards: i64,
    lifetimes: i64,
}

/// Runs the program and checks what has to hold however much it lost. `None` if
/// the standard library ended it, before `main`: it has to have some memory too.
fn run(limit: usize, spare: Option<u64>) -> Option<Lost> {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    let (held, end) = (path.join("held.pb.gz"), path.join("end.pb.gz"));
    let mut command = Command::new(PROGRAM);
    command
        .args([&held, &end])
        .env("EXHAUSTED_LIMIT", limit.to_string())
        .envs(spare.map(|bytes| ("EXHAUSTED_SPARE_BYTES", bytes.to_string())));
    let ran = Ran::command(&mut command);
    if ran
        .stderr()
        .contains("failed to allocate an alternative stack")
    {
        return None;
    }
    let ran = ran.expect_success();
    assert_eq!(ran.stderr(), "", "nothing to complain about");
    let stdout = ran.stdout();
    let counts: Vec<i64> = stdout
        .trim_matches(['[', ']', '\n'])
        .split(", ")
        .map(|count| count.parse().expect("counts are printed"))
        .collect();
    let [blocks, stacks, again, afterwards, lifetimes] = counts[..] else {
        panic!("five counts are printed: {stdout}")
    };
    let lost = Lost {
        blocks,
        stacks,
        again,
        afterwards,
        lifetimes,
    };
    println!("limit {}, spare {spare:?}: {lost:?}", LIMITS[limit]);
    check(&lost, &held, &end);
    Some(lost)
}

fn check(lost: &Lost, held: &Path, end: &Path) {
    let [held, end] =
        [held, end].map(|path| Profile::decode(&fs::read(path).expect("the profile was written")));
    let count = |n: usize| i64::try_from(n).expect("small");
    let after_round = [
        (&held, lost.blocks + lost.stacks),
        (
            &end,
            lost.blocks + lost.stacks + lost.again + lost.afterwards,
        ),
    ];
    for (profile, lost_so_far) in after_round {
        // Besides these, the start of the program may have lost some.
        let in_lost = profile.sum("[lost]");
        assert!(in_lost.alloc_objects >= lost_so_far, "{in_lost:?} {lost:?}");
        assert_eq!((in_lost.in_use_objects, in_lost.in_use_bytes), (0, 0));
        let comments = profile.comments().concat();
        let said = format!("heapprof: {} samples lost because", in_lost.alloc_objects);
        assert_eq!(
            comments.contains(&said),
            in_lost.alloc_objects > 0,
            "{comments}"
        );
        assert_eq!(
            comments.contains("samples lost"),
            in_lost.alloc_objects > 0,
            "{comments}"
        );
    }

    let comments = end.comments().concat();
    let is_said = comments.contains("frees without a lifetime");
    assert_eq!(is_said, lost.lifetimes > 0, "{comments}");

    let size = count(SIZE);
    let blocks = count(BLOCKS) - lost.blocks;
    let again = count(AGAIN) - lost.again;
    let stacks = count(STACKS.len() * STACKS.len()) - lost.stacks;
    let afterwards = count(AFTERWARDS) - lost.afterwards;
    let at_held = (blocks, blocks);
    let at_end = (blocks + again, again);
    for (profile, (allocated, in_use), afterwards) in
        [(&held, at_held, 0), (&end, at_end, afterwards)]
    {
        let values = |allocated, in_use| Values {
            alloc_objects: allocated,
            alloc_bytes: allocated * size,
            in_use_objects: in_use,
            in_use_bytes: in_use * size,
        };
        let total = profile.total();
        assert!(total.in_use_objects >= in_use + afterwards, "{total:?}");
        // The program's file cannot be mapped where the address space is full.
        if profile.comments().concat().contains("no names from") {
            assert_eq!(profile.sample_count("exhausted::site"), 0);
            continue;
        }
        assert_eq!(
            profile.sum("exhausted::site_held"),
            values(allocated, in_use)
        );
        assert_eq!(profile.sum("exhausted::site_deep"), values(stacks, 0));
        assert_eq!(
            profile.sum("exhausted::site_afterwards"),
            values(afterwards, afterwards)
        );
    }
}

/// Every sample is lost; lifetimes, which samples have, cannot be then.
const ALL: Lost = Lost {
    blocks: BLOCKS as i64,
    stacks: (STACKS.end * STACKS.end) as i64,
    again: AGAIN as i64,
    afterwards: AFTERWARDS as i64,
    lifetimes: 0,
};
const NOTHING: Lost = Lost {
    blocks: 0,
    stacks: 0,
    again: 0,
    afterwards: 0,
    lifetimes: 0,
};

#[test]
fn limits_of_the_profilers_own_memory() {
    for (index, limit) in LIMITS.into_iter().enumerate() {
        let lost = run(index, None).expect("the system has memory");
        match limit >> 10 {
            // No table, or no place for a single stack.
            ..3_136 => assert_eq!(lost, ALL),
            // The live table fills, and is of use again once blocks are freed. Then
            // there is no place for new stacks; known ones are counted on, but nothing of
            // how long their blocks lived.
            3_136 => {
                assert!((1..ALL.blocks).contains(&lost.blocks), "{lost:?}");
                assert_eq!((lost.again, lost.afterwards), (0, ALL.afterwards));
                assert!(lost.lifetimes >= ALL.blocks - lost.blocks, "{lost:?}");
            }
            // There is place for all stacks: what the live table lacks takes nothing
            // of it away.
            8_192 => {
                assert!((1..ALL.blocks).contains(&lost.blocks), "{lost:?}");
                assert_eq!((lost.again, lost.afterwards, lost.lifetimes), (0, 0, 0));
            }
            20_480.. => assert_eq!(lost, NOTHING),
            other => panic!("{other} KiB: what is to be expected?"),
        }
    }
}

#[test]
fn an_address_space_that_may_not_grow() {
    let limit = LIMITS.len() - 1;
    // From less than the first table to more than all of them: steps of a quarter.
    let spares = std::iter::successors(Some(128_u64 << 10), |bytes| Some(bytes + bytes / 4))
        .take_while(|bytes| *bytes < 40 << 20);
    let runs: Vec<_> = spares.map(|spare| run(limit, Some(spare))).collect();
    let not_ours = runs.iter().filter(|run| run.is_none()).count();
    assert!(not_ours <= 2, "{runs:?}");
    let lost: Vec<Lost> = runs.into_iter().flatten().collect();
    assert_eq!(lost.first(), Some(&ALL));
    assert_eq!(lost.last(), Some(&NOTHING));
    let only_some = lost
        .iter()
        .filter(|lost| **lost != ALL && **lost != NOTHING);
    assert!(only_some.count() > 2, "{lost:?}");
}
