//! A program with triggers; see `tests/`.
//!
//! `triggered MODE FOLDER`

mod files;
mod memory;
mod signals;

use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{env, process};

use heapprof::{Alloc, Symbols, Threshold, TriggerStatus, Triggers, TriggersBuilder, triggers};
use heapprof_end_to_end::Block;
use heapprof_hostile::ended::within;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

const SOON: Duration = Duration::from_millis(1);

fn main() {
    let mut arguments = env::args().skip(1);
    let mode = arguments.next().expect("a mode is given");
    let folder = arguments.next().expect("a folder is given");
    let folder = Path::new(&folder);
    // Names cost time, and are looked at in two tests.
    let builder = triggers().folder(folder).symbols(Symbols::Names);
    let held = main_holds();
    match mode.as_str() {
        "plain" => {}
        "plain-for-a-while" => thread::sleep(Duration::from_millis(600)),
        "plain-signalled" => {
            raise(libc::SIGUSR2);
            let appeared = within(Duration::from_secs(20), || {
                fs::read_dir(folder).ok()?.next()
            });
            assert!(appeared.is_some(), "no dump");
        }
        "exit" => drop(start(builder.at_exit().symbols(Symbols::Full))),
        "process-exit" => {
            start(builder.at_exit());
            process::exit(3);
        }
        "exit-stopped" => start(builder.at_exit()).stop(),
        "exit-with-hooks" => exit_with_hooks(builder, folder),
        "exit-in-a-hook" => exit_in_a_hook(builder),
        "permissions" => files::permissions(builder, folder),
        "signal" => signals::each_time(builder),
        "signal-taken" => signals::taken(folder),
        "periodic" => periodic(builder),
        "resident-steps" => memory::resident_steps(builder),
        "rate-limit" => memory::rate_limit(builder),
        "in-use" => memory::in_use(builder),
        "retention" => files::retention(builder, folder),
        "no-room" => files::no_room(builder),
        "no-room-in-flight" => files::no_room_in_flight(builder),
        "full-disk" => files::full_disk(builder, folder),
        "full-disk-in-flight" => files::full_disk_in_flight(builder, folder),
        "fork" => signals::fork(builder, folder),
        "hook-panics" => hook_panics(builder),
        "refused" => refused(folder),
        other => panic!("{other}?"),
    }
    drop(held);
}

#[inline(never)]
fn main_holds() -> Block {
    Block::new(black_box(7_777))
}

fn start(builder: TriggersBuilder) -> Triggers {
    builder.start().expect("they can be started")
}

fn raise(signal: i32) {
    // SAFETY: the signal is handled, or ends this process.
    unsafe { libc::raise(signal) };
}

/// Waits until the status is as it should be.
#[track_caller]
fn wait_for(triggers: &Triggers, is_so: impl Fn(&TriggerStatus) -> bool) -> TriggerStatus {
    let found = within(Duration::from_secs(20), || {
        Some(triggers.status()).filter(|status| is_so(status))
    });
    found.unwrap_or_else(|| panic!("{:?}", triggers.status()))
}

/// Long enough for the helper to look some times.
fn several_looks() {
    thread::sleep(Duration::from_millis(350));
}

fn exit_with_hooks(builder: TriggersBuilder, folder: &Path) {
    let marker = folder.with_extension("marker");
    let builder = builder.at_exit().on_dump(move |file| {
        assert!(file.exists(), "{file:?}");
        let name = thread::current().name().map(str::to_owned);
        fs::write(&marker, name.expect("the helper has a name")).expect("it can be written");
    });
    start(builder);
}

/// The thread that ends the program is the helper itself.
fn exit_in_a_hook(builder: TriggersBuilder) {
    start(builder.at_exit().every(SOON).on_dump(|_| process::exit(4)));
    thread::sleep(Duration::from_secs(60));
}

fn periodic(builder: TriggersBuilder) {
    let triggers = start(builder.every(Duration::from_millis(30)));
    // Goes on without its handle.
    let folder = format!("{triggers:?}");
    assert!(folder.contains("dumps"), "{folder}");
    wait_for(&triggers, |status| status.dumps >= 3);
    drop(triggers);
    several_looks();
}

fn hook_panics(builder: TriggersBuilder) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let builder = builder.every(SOON);
    let builder = builder.on_dump(|_| panic!("a hook's own"));
    let triggers = start(builder.on_dump(|_| _ = CALLS.fetch_add(1, Ordering::Relaxed)));
    let status = wait_for(&triggers, |status| status.hook_panics >= 3);
    assert!(status.dumps >= 3, "{status:?}");
    triggers.stop();
    assert!(
        CALLS.load(Ordering::Relaxed) >= 3,
        "the other hook is called"
    );
}

fn refused(folder: &Path) {
    let file = folder.with_extension("file");
    drop(File::create(&file).expect("it can be made"));
    for builder in [
        triggers(),
        triggers().every(Duration::ZERO),
        triggers().on_resident(Threshold::percent(0)),
        triggers().on_in_use(Threshold::bytes(5).step(0)),
        triggers().at_exit().folder(&file),
    ] {
        println!("{}", builder.start().expect_err("it makes no sense"));
    }
    // Nothing is left running.
    let threads = fs::read_dir("/proc/self/task").expect("there are threads");
    println!("threads {}", threads.count());
}
