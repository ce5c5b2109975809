//! What one sample costs, by the depth of the stack that it is taken at.
//!
//!     cargo bench --bench capture
//!     cargo bench --bench capture -- 51           # rounds
//!
//! The cost of a sample is the difference between allocating and freeing a block
//! at interval 1 and with sampling off, at the same depth in the same process.
//! What differs between two depths is unwinding alone, so the slope is the cost
//! of a frame. Caches are warm: the stack is the same each time. Beside it the
//! same stacks are walked as the `backtrace` crate walks them, by the unwinder of
//! the C runtime (called directly: the crate would make every first build longer).
//!
//! It reports and never judges: wall time on a shared machine is no test.

use std::error::Error;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;
use std::time::Instant;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const DEFAULT_ROUNDS: usize = 15;

/// Calls below the work, on top of the few that lead here. Heapprof keeps 128
/// frames.
const DEPTHS: [u32; 3] = [8, 32, 96];

const REPETITIONS: u32 = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);

    // Nanoseconds by depth and round.
    let mut sampled = [const { Vec::new() }; DEPTHS.len()];
    let mut walked = [const { Vec::new() }; DEPTHS.len()];
    for _ in 0..rounds {
        for (at, depth) in DEPTHS.into_iter().enumerate() {
            heapprof::set_sample_interval(0)?;
            let off = time_at(depth, allocate_and_free);
            let samples_before = heapprof::Snapshot::take()?.stats().samples;
            heapprof::set_sample_interval(1)?;
            let on = time_at(depth, allocate_and_free);
            heapprof::set_sample_interval(0)?;
            let samples = heapprof::Snapshot::take()?.stats().samples - samples_before;
            if samples < u64::from(REPETITIONS) {
                return Err(format!(
                    "{samples} samples of {REPETITIONS} allocations at interval 1"
                )
                .into());
            }
            sampled[at].push(on - off);
            walked[at].push(time_at(depth, walk));
        }
    }

    println!(
        "{:31}{:>11}{:>11}{:>8}",
        "ns, medians of the rounds", "heapprof", "C runtime", "ratio"
    );
    for (at, depth) in DEPTHS.into_iter().enumerate() {
        let (ours, theirs) = (median(sampled[at].clone()), median(walked[at].clone()));
        print_line(&format!("a stack {depth} calls deep"), ours, theirs);
    }
    for (from, to) in [(0, 1), (1, 2), (0, 2)] {
        let label = format!("a frame, from {} calls to {}", DEPTHS[from], DEPTHS[to]);
        print_line(&label, slope(&sampled, from, to), slope(&walked, from, to));
    }
    println!(
        "\nheapprof: all that a sampled allocation and its free cost more than unsampled ones."
    );
    println!("C runtime: _Unwind_Backtrace, reading each frame's address and no more.");
    Ok(())
}

fn print_line(label: &str, ours: f64, theirs: f64) {
    println!("{label:31}{ours:11.1}{theirs:11.1}{:8.2}", ours / theirs);
}

/// Nanoseconds per frame, the median over the rounds.
fn slope(figures: &[Vec<f64>; DEPTHS.len()], from: usize, to: usize) -> f64 {
    let frames = f64::from(DEPTHS[to] - DEPTHS[from]);
    median(
        figures[to]
            .iter()
            .zip(&figures[from])
            .map(|(deep, shallow)| (deep - shallow) / frames)
            .collect(),
    )
}

/// Nanoseconds that `work` takes `depth` calls further down, warmed up.
fn time_at(depth: u32, work: fn()) -> f64 {
    let mut nanoseconds = 0.0;
    descend(depth, &mut || {
        for _ in 0..REPETITIONS / 10 {
            work();
        }
        let start = Instant::now();
        for _ in 0..REPETITIONS {
            work();
        }
        nanoseconds = start.elapsed().as_secs_f64() * 1e9 / f64::from(REPETITIONS);
    });
    nanoseconds
}

#[inline(never)]
fn descend(depth: u32, work: &mut dyn FnMut()) {
    if depth == 0 {
        work();
    } else {
        descend(depth - 1, work);
    }
    // Something left to do after the call, or it would be a jump without a frame.
    black_box(());
}

#[inline(never)]
fn allocate_and_free() {
    drop(black_box(Box::<[u8; 64]>::new_uninit()));
}

#[inline(never)]
fn walk() {
    // SAFETY: `each_frame` is as the unwinder wants it, and uses no argument.
    unsafe { _Unwind_Backtrace(each_frame, ptr::null_mut()) };
}

extern "C" fn each_frame(context: *mut c_void, _: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    let mut ip_before_instruction = 0;
    // SAFETY: the unwinder's own context, inside its own callback.
    black_box(unsafe { _Unwind_GetIPInfo(context, &mut ip_before_instruction) });
    GO_ON
}

// The standard library links it, for panics.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        each_frame: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, ip_before_instruction: *mut c_int) -> usize;
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
