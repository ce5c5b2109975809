//! The same mixes under jemalloc's own heap profiler, through its text dumps,
//! which are unbiased as its `jeprof` does it. Jemalloc counts the size classes that
//! sizes are rounded up to, and so does the truth here.
//!
//! Threads draw their gaps from a generator that is seeded by the address of
//! their thread-local memory: in one process every run would see the same samples.
//!
//!     cargo run --release -p accuracy --features jemalloc --bin accuracy-jemalloc
//!     cargo run --release -p accuracy --features jemalloc --bin accuracy-jemalloc -- 500 "10 R"

use std::error::Error;
use std::ffi::{CStr, CString};
use std::{env, fs, process, ptr};

use accuracy::processes;
use accuracy::profiler::{Figure, Figures, Profiler};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOC: Jemalloc = Jemalloc;

const RUNS: u64 = 300;

fn main() -> Result<(), Box<dyn Error>> {
    processes::main(
        RUNS,
        |mix| Profiled {
            interval: mix.interval,
        },
        |mix| {
            let log2 = mix.interval.ilog2();
            let options =
                format!("prof:true,prof_active:false,prof_accum:true,lg_prof_sample:{log2}");
            ("_RJEM_MALLOC_CONF", options)
        },
    )
}

/// The profiler, in a process that was started with its options.
struct Profiled {
    interval: u64,
}

impl Profiler for Profiled {
    fn name(&self) -> &'static str {
        "jemalloc"
    }

    /// Only to nothing: a change is a reset, after which nothing is known of what
    /// was allocated before.
    fn set_interval(&self, bytes: u64) -> bool {
        if bytes != 0 && bytes != self.interval {
            return false;
        }
        control(c"prof.active", &mut (bytes != 0));
        true
    }

    fn begin(&self) {}

    fn figures(&self) -> Figures {
        control(c"prof.active", &mut false);
        let path = env::temp_dir().join(format!("accuracy-jemalloc-{}", process::id()));
        let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("no path has a zero");
        control(c"prof.dump", &mut name.as_ptr());
        let dump = fs::read_to_string(&path).expect("the dump is there");
        fs::remove_file(&path).expect("the dump can be removed");
        parse(&dump, self.interval as f64)
    }

    fn growth(&self) -> Option<Figures> {
        None
    }

    fn counted_size(&self, size: usize) -> usize {
        // SAFETY: asks for a number; the size is not 0.
        unsafe { tikv_jemalloc_sys::nallocx(size, 0) }
    }
}

/// Sets what `name` stands for.
fn control<T>(name: &CStr, value: &mut T) {
    let (new, length) = (ptr::from_mut(value).cast(), size_of::<T>());
    // SAFETY: the names are jemalloc's, and each value of the type that it expects.
    let failed = unsafe {
        tikv_jemalloc_sys::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), new, length)
    };
    assert_eq!(failed, 0, "{name:?}");
}

/// Adds up all stacks: the lines `t*: objects: bytes [objects: bytes]` below those
/// that begin with `@`, in use and allocated.
fn parse(dump: &str, interval: f64) -> Figures {
    let mut sums = [[0.0; 2]; 2];
    let mut in_stack = false;
    for line in dump.lines() {
        if line.starts_with('@') {
            in_stack = true;
        } else if let Some(counts) = line.trim_start().strip_prefix("t*:").filter(|_| in_stack) {
            let numbers: Vec<f64> = counts
                .split([':', '[', ']', ' '])
                .filter(|field| !field.is_empty())
                .map(|field| field.parse().expect("a number"))
                .collect();
            for (sum, counts) in sums.iter_mut().zip(numbers.chunks(2)) {
                let (objects, bytes) = (counts[0], counts[1]);
                if objects > 0.0 {
                    let scale = 1.0 / -(-(bytes / objects) / interval).exp_m1();
                    sum[0] += objects * scale;
                    sum[1] += bytes * scale;
                }
            }
        }
    }
    let [in_use, allocated] = sums.map(|[objects, bytes]| Figure::plain(objects, bytes));
    Figures { allocated, in_use }
}
