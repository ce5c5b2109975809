//! A library that is closed, and the same one opened in its place after it was built
//! again: every address, every frame and every word on the stack is as it was.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use heapprof::Alloc;
use heapprof_end_to_end::{Profile, Values};
use heapprof_hostile::folder;
use heapprof_hostile::plugin::{BYTES, Plugin, build, rebuild_first};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

fn held_by_the_plugin() -> Values {
    let profile = Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"));
    profile.sum("plugin::first_plugin_holds")
}

#[test]
fn a_library_built_again_is_another_one() {
    let (_kept, folder) = folder(env!("CARGO_TARGET_TMPDIR"));
    let again = folder.join("again");
    std::fs::create_dir(&again).expect("a folder can be made");
    let (first, again) = (build(&folder, "first"), rebuild_first(&again));
    let held = Values::held(1, BYTES);

    let mut code = None;
    let mut blocks = Vec::new();
    let mut before = held_by_the_plugin();
    for library in [&first, &again, &first] {
        let plugin = code.map_or_else(
            || Plugin::open(library),
            |code| Plugin::open_at(library, code),
        );
        let mut allocate = || {
            // From one place, so that the stacks are the same to the last word.
            blocks.push(plugin.allocate());
            held_by_the_plugin()
        };
        // The first time nobody listed it yet, and then the dump did.
        let seen = [(); 3].map(|()| allocate());
        assert_eq!(seen, [before, before + held, before + held + held]);
        // No dump between closing and opening: what is listed is the one before.
        before = before + held + held;
        code = Some(plugin.code());
        plugin.close();
    }
}
