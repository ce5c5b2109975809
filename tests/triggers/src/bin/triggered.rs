//! A program with triggers; see `tests/`.
//!
//! `triggered MODE FOLDER`

use std::fs::{self, File};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{env, process};

use heapprof::{Alloc, Symbols, Threshold, TriggerStatus, Triggers, TriggersBuilder, triggers};
use heapprof_end_to_end::Block;
use heapprof_hostile::ended::{Child, within};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

const MIB: usize = 1 << 20;
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
        "permissions" => permissions(builder, folder),
        "signal" => signal(builder),
        "signal-taken" => signal_taken(folder),
        "periodic" => periodic(builder),
        "resident-steps" => resident_steps(builder),
        "rate-limit" => rate_limit(builder),
        "in-use" => in_use(builder),
        "retention" => retention(builder, folder),
        "full-disk" => full_disk(builder.every(SOON)),
        "full-disk-in-flight" => full_disk_in_flight(builder),
        "fork" => fork(builder, folder),
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

fn permissions(builder: TriggersBuilder, folder: &Path) {
    let triggers = start(builder.every(SOON));
    let status = wait_for(&triggers, |status| status.dumps > 0);
    triggers.stop();
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    println!("folder {:o}", mode(folder));
    println!("file {:o}", mode(&status.last_file.expect("there is one")));
}

fn signal(builder: TriggersBuilder) {
    let triggers = start(builder.on_signal(libc::SIGUSR2));
    for dumps in 1..=3 {
        raise(libc::SIGUSR2);
        wait_for(&triggers, |status| status.dumps == dumps);
    }
    let again = heapprof::triggers().on_signal(libc::SIGUSR2).start();
    println!("{}", again.expect_err("it is taken"));
    triggers.stop();
    // Does again what it did before: the program ends.
    raise(libc::SIGUSR2);
}

fn signal_taken(folder: &Path) {
    extern "C" fn ours(_: i32) {}
    // SAFETY: a handler that does nothing.
    unsafe { libc::signal(libc::SIGUSR1, ours as extern "C" fn(i32) as usize) };
    // SAFETY: ignores a signal.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    for signal in [
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGKILL,
        libc::SIGSEGV,
        0,
        -1,
        1000,
    ] {
        let refused = triggers().folder(folder).on_signal(signal).start();
        println!("{}", refused.expect_err("it must be refused"));
    }
    // The program's own handler is still there.
    raise(libc::SIGUSR1);
    raise(libc::SIGUSR2);
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

/// Resident memory, the last of it touched now.
fn take(blocks: &mut Vec<Vec<u8>>, bytes: usize) {
    blocks.push(black_box(vec![1; bytes]));
}

fn resident_steps(builder: TriggersBuilder) {
    let threshold = Threshold::bytes(256 << 20).step(64 << 20);
    let triggers = start(builder.on_resident(threshold).at_most_every(SOON));
    let mut blocks = Vec::new();
    take(&mut blocks, 128 * MIB);
    several_looks();
    println!("below {}", triggers.status().dumps);
    take(&mut blocks, 130 * MIB);
    wait_for(&triggers, |status| status.dumps == 1);
    several_looks();
    take(&mut blocks, 64 * MIB);
    wait_for(&triggers, |status| status.dumps == 2);
    several_looks();
    println!("steps {}", triggers.status().dumps);
    blocks.clear();
    several_looks();
    take(&mut blocks, 258 * MIB);
    wait_for(&triggers, |status| status.dumps == 3);
    several_looks();
    println!("again {}", triggers.status().dumps);
}

fn rate_limit(builder: TriggersBuilder) {
    let threshold = Threshold::bytes(64 << 20).step(1 << 20);
    let hour = Duration::from_secs(3600);
    let triggers = start(builder.on_resident(threshold).at_most_every(hour));
    let mut blocks = Vec::new();
    for _ in 0..4 {
        take(&mut blocks, 64 * MIB);
        several_looks();
    }
    println!("dumps {}", triggers.status().dumps);
}

/// Asked for, and never touched.
fn in_use(builder: TriggersBuilder) {
    let triggers = start(builder.on_in_use(Threshold::bytes(1 << 30)));
    let block: Vec<u8> = Vec::with_capacity(black_box(1100 * MIB));
    wait_for(&triggers, |status| status.dumps == 1);
    drop(black_box(block));
}

fn retention(builder: TriggersBuilder, folder: &Path) {
    let keep = NonZeroUsize::new(3).expect("three are some");
    let triggers = start(builder.every(SOON).keep_files(keep));
    fs::write(folder.join("stranger.pb.gz"), "not ours").expect("it can be written");
    wait_for(&triggers, |status| status.dumps >= 10);
    triggers.stop();
}

fn limit_file_size(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: limits this process.
    let failed = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(failed, 0);
    // SAFETY: as said: an error is enough.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Fails, fails again, and works as soon as there is room.
fn full_disk(builder: TriggersBuilder) {
    limit_file_size(100);
    let triggers = start(builder);
    let status = wait_for(&triggers, |status| status.failed_dumps >= 3);
    println!("dumps {}", status.dumps);
    println!("{}", status.last_error.expect("there is one"));
    limit_file_size(libc::RLIM_INFINITY);
    let status = wait_for(&triggers, |status| status.dumps >= 1);
    assert_eq!(status.last_error, None);
    triggers.stop();
}

fn full_disk_in_flight(builder: TriggersBuilder) {
    let threshold = Threshold::bytes(1).step(32 << 20);
    limit_file_size(100);
    let triggers = start(builder.on_resident(threshold).at_most_every(SOON));
    let mut blocks = Vec::new();
    for failed in 1..=2 {
        wait_for(&triggers, |status| status.failed_dumps == failed);
        take(&mut blocks, 33 * MIB);
    }
    wait_for(&triggers, |status| status.failed_dumps == 3);
    limit_file_size(libc::RLIM_INFINITY);
    take(&mut blocks, 33 * MIB);
    wait_for(&triggers, |status| status.dumps == 1);
    triggers.stop();
}

/// A child neither writes its parent's dumps nor has them written.
fn fork(builder: TriggersBuilder, folder: &Path) {
    let triggers = start(builder.at_exit().on_signal(libc::SIGUSR2));
    let own = folder.with_extension("child");
    for starts_own in [false, true] {
        // SAFETY: this thread is the only one that takes locks.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                raise(libc::SIGUSR2);
                if starts_own {
                    let child = heapprof::triggers().at_exit().on_signal(libc::SIGUSR2);
                    let child = start(child.folder(&own).symbols(Symbols::Names));
                    raise(libc::SIGUSR2);
                    wait_for(&child, |status| status.dumps == 1);
                }
                // SAFETY: ends this process, with its handlers called.
                unsafe { libc::exit(0) };
            }
            pid => assert_eq!(Child::wait(pid), Child::Exited(0)),
        }
    }
    several_looks();
    println!("dumps {}", triggers.status().dumps);
    raise(libc::SIGUSR2);
    wait_for(&triggers, |status| status.dumps == 1);
    // SAFETY: asks for a number.
    println!("pid {}", unsafe { libc::getpid() });
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
