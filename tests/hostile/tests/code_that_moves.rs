//! A library that is opened and closed, and another one opened in its place.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use heapprof::Alloc;
use heapprof_end_to_end::{Profile, Values};
use heapprof_hostile::folder;
use heapprof_hostile::plugin::{BYTES, Plugin, build};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

fn profile() -> Profile {
    Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"))
}

#[test]
fn a_library_opened_over_a_closed_one_is_not_mistaken_for_it() {
    let (_kept, folder) = folder(env!("CARGO_TARGET_TMPDIR"));
    let (first, second) = (build(&folder, "first"), build(&folder, "second"));

    let plugin = Plugin::open(&first);
    let early = plugin.allocate();
    // The dump lists the libraries anew.
    assert_eq!(
        profile().sum("plugin::first_plugin_holds"),
        Values::default(),
        "an unlisted library is not walked into"
    );
    let named = plugin.allocate();
    let held = Values::held(1, BYTES);
    assert_eq!(profile().sum("plugin::first_plugin_holds"), held);

    let code = plugin.code();
    plugin.close();
    let plugin = Plugin::open_at(&second, code);
    // Its code is where the first one's was, and nobody listed it.
    let between = plugin.allocate();
    let after_closing = profile();
    assert_eq!(
        after_closing.sum("plugin::first_plugin_holds"),
        held,
        "the stack of before, still named, and none of the other plugin"
    );
    assert_eq!(
        after_closing.sum("plugin::second_plugin_holds"),
        Values::default()
    );
    let after_listing = plugin.allocate();
    let both = profile();
    assert_eq!(both.sum("plugin::first_plugin_holds"), held);
    assert_eq!(both.sum("plugin::second_plugin_holds"), held);
    // Callers are found through the plugin's frames, and cut ones are said.
    assert_eq!(both.sum("plugin::ask_for_a_block"), held + held);
    assert_eq!(both.misplaced_addresses(), [] as [u64; 0]);
    let said = |text: &str| both.comments().iter().any(|comment| comment.contains(text));
    assert!(said("cut"), "{:?}", both.comments());

    drop((early, named, between, after_listing));
    plugin.close();
    let freed = profile();
    for name in ["plugin::first_plugin_holds", "plugin::second_plugin_holds"] {
        assert_eq!(freed.sum(name), Values::partly_freed(1, 1, BYTES), "{name}");
    }
}
