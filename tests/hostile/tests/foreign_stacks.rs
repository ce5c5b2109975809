//! Coroutines and signal handlers allocate on stacks that the profiler knows
//! nothing of: counted exactly, and only with frames that are certain.

#![cfg(target_os = "linux")]

use heapprof_end_to_end::decode::Frame;
use heapprof_end_to_end::{Profile, Values};
use heapprof_hostile::{Ran, folder, profile};

/// Runs it; returns the profiles before and after what it held was freed.
fn run(condition: &str) -> [Profile; 2] {
    let (_folder, path) = folder(env!("CARGO_TARGET_TMPDIR"));
    let program = env!("CARGO_BIN_EXE_foreign_stacks");
    Ran::of(program, &[condition, &path.to_string_lossy()]).expect_success();
    ["held", "freed"].map(|name| profile(&path, name))
}

fn all_freed(objects: usize, size: usize) -> Values {
    Values::partly_freed(objects, objects, size)
}

/// The functions of each stack that `site` is in, from `site` outwards.
fn stacks(profile: &Profile, site: &str) -> Vec<Vec<String>> {
    let from_site_on = |stack: Vec<Frame>| {
        let names = stack.into_iter().map(|frame| frame.name);
        let names: Vec<_> = names.skip_while(|name| name != site).collect();
        assert!(!names.is_empty(), "{site} itself is in it");
        names
    };
    profile.stacks(site).into_iter().map(from_site_on).collect()
}

/// None but these functions called `site`, one by one as given; repeated ones
/// are recursion. Behind them the stack may go on.
fn is_called_by(profile: &Profile, site: &str, callers: &[&str]) {
    for mut stack in stacks(profile, site) {
        stack.dedup();
        for (name, caller) in stack[1..].iter().zip(callers) {
            assert!(name == caller || name.starts_with("[cut"), "{stack:?}");
            if name.starts_with("[cut") {
                break;
            }
        }
    }
}

/// No stack claims to be whole.
fn is_marked(profile: &Profile, site: &str) {
    for stack in stacks(profile, site) {
        let last = stack.last().expect("the site at least");
        assert!(last.starts_with("[cut"), "{stack:?}");
    }
}

/// The thread's own stack is known, whatever went on elsewhere.
fn is_whole(profile: &Profile, site: &str) {
    for stack in stacks(profile, site) {
        let has_main = stack.iter().any(|name| name == "foreign_stacks::main");
        assert!(
            has_main && !stack.iter().any(|name| name.starts_with('[')),
            "{stack:?}"
        );
    }
}

const COROUTINES: (&str, &str, &str) = (
    "foreign_stacks::coroutine_holds",
    "foreign_stacks::coroutine_comes_and_goes",
    "foreign_stacks::coroutine_resizes",
);

fn is_frameless(stack: &[Frame]) -> bool {
    stack.iter().all(|frame| frame.name.starts_with('['))
}

#[test]
fn coroutines() {
    let [held, freed] = run("coroutines");
    // Twenty on each of two threads, one on each of four; three turns each.
    let turns = (2 * 20 + 4) * 3;
    let (holds, comes_and_goes, resizes) = COROUTINES;
    let went = all_freed(turns, 700) + all_freed(turns * 20, 800);
    let everything = |profile: &Profile| {
        let sites = profile.sum(holds) + profile.sum(comes_and_goes) + profile.sum(resizes);
        sites + profile.sum_where(is_frameless)
    };
    assert_eq!(everything(&held), Values::held(turns, 2_000) + went);
    assert_eq!(everything(&freed), all_freed(turns, 2_000) + went);
    // A return address in the next page is not certain to be there.
    let frameless = held.sum_where(is_frameless).alloc_objects;
    assert!(frameless < went.alloc_objects / 5, "{frameless}");
    let own = held.sum("foreign_stacks::own_stack_holds");
    assert_eq!(own, Values::held(2, 9_000));

    let recursion = [
        "foreign_stacks::coroutine_calls",
        "foreign_stacks::in_coroutine",
    ];
    is_called_by(&held, holds, &recursion[1..]);
    is_called_by(&held, comes_and_goes, &recursion);
    is_called_by(&held, resizes, &recursion);
    for site in [holds, comes_and_goes, resizes] {
        is_marked(&held, site);
    }
    is_whole(&held, "foreign_stacks::own_stack_holds");
}

/// So many times in a handler.
fn has_what_handlers_did([held, freed]: &[Profile; 2], times: usize) {
    let (holds, comes_and_goes) = HANDLERS;
    assert_eq!(held.sum(holds), Values::held(times, 3_000));
    assert_eq!(freed.sum(holds), all_freed(times, 3_000));
    let both = all_freed(times, 40_000) + all_freed(times, 400);
    assert_eq!(held.sum(comes_and_goes), both);
    is_called_by(held, holds, &["foreign_stacks::handle"]);
    is_called_by(held, comes_and_goes, &["foreign_stacks::handle"]);
}

const HANDLERS: (&str, &str) = (
    "foreign_stacks::handler_holds",
    "foreign_stacks::handler_comes_and_goes",
);

#[test]
fn signal_handlers_on_stacks_of_their_own() {
    let profiles = run("signals");
    has_what_handlers_did(&profiles, 30);
    is_marked(&profiles[0], HANDLERS.0);
    is_marked(&profiles[0], HANDLERS.1);
    is_whole(&profiles[0], "foreign_stacks::own_stack_holds");
}

#[test]
fn a_threads_first_allocation_in_a_handler() {
    has_what_handlers_did(&run("first-signals"), 4);
}

#[test]
fn a_threads_first_allocation_in_a_handler_is_marked() {
    let profiles = run("first-signals");
    is_marked(&profiles[0], HANDLERS.0);
    is_marked(&profiles[0], HANDLERS.1);
}
