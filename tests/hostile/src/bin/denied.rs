//! A program that may not call what `DENIED` lists, from before its first
//! allocation on. Writes its profile to standard output. See `tests/denied.rs`.

use std::ffi::CStr;
use std::hint::black_box;
use std::io::{self, Write};
use std::thread;

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::Block;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1).with_thread_labels();

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod before_anything {
    use super::*;
    use heapprof_hostile::denied::{GROUPS, deny, is_in_force};

    #[used]
    #[unsafe(link_section = ".init_array.00001")]
    static DENY: extern "C" fn() = {
        extern "C" fn deny_listed() {
            deny(is_denied).expect("the kernel takes the filter");
        }
        deny_listed
    };

    fn is_denied(name: &str) -> bool {
        // SAFETY: nothing changes the environment; the variable is a string.
        let list = unsafe {
            let list = libc::getenv(c"DENIED".as_ptr());
            if list.is_null() {
                c""
            } else {
                CStr::from_ptr(list)
            }
        };
        let list = list.to_str().unwrap_or_default();
        list.split(',').any(|denied| denied == name)
    }

    pub(super) fn check() {
        for group in &GROUPS {
            assert_eq!(is_in_force(group), is_denied(group.name), "{group:?}");
        }
    }
}

#[inline(never)]
fn site_held() -> Vec<Block> {
    let mut held = Vec::with_capacity(100);
    for _ in 0..100 {
        held.push(Block::new(black_box(1_000)));
    }
    held
}

#[inline(never)]
fn site_thread() -> Block {
    Block::new(black_box(70_000))
}

fn main() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    before_anything::check();
    let live = || {
        let snapshot = Snapshot::take().expect("the allocator is registered");
        snapshot.stats().live_samples
    };
    // What the standard library keeps of a first thread.
    thread::spawn(site_thread).join().expect("it ends well");
    let before = live();
    let held = site_held();
    let of_thread = thread::spawn(site_thread).join().expect("it ends well");
    let profile = heapprof::dump_heap().expect("a profile is made");
    drop((held, of_thread));
    assert_eq!(live(), before, "frees are right");
    io::stdout().write_all(&profile).expect("it is piped");
}
