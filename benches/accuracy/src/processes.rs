//! For profilers that cannot start afresh within a process: each run is a process.

use std::env;
use std::error::Error;
use std::process::Command;
use std::sync::Mutex;

use crate::mix::{MIXES, Mix};
use crate::profiler::{Figure, Figures, Profiler};
use crate::run::run;
use crate::study::Plan;

/// The main function of such a study. `profiler` is for one mix, in a process
/// whose environment has what `variable` says.
///
/// # Errors
/// If arguments are wrong, or findings cannot be kept.
pub fn main<P: Profiler>(
    runs: u64,
    profiler: fn(&Mix) -> P,
    variable: fn(&Mix) -> (&'static str, String),
) -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["run", mix, number] = arguments[..] {
        let mix = MIXES.iter().find(|m| m.name == mix).ok_or("no such mix")?;
        if let Some(outcome) = run(mix, number.parse()?, &profiler(mix)) {
            let Figures { allocated, in_use } = outcome.figures;
            for figure in [allocated, in_use] {
                println!("{} {}", figure.objects, figure.bytes);
            }
        }
        return Ok(());
    }
    let all = EachInAProcess {
        profiler: profiler(&MIXES[0]),
        variable,
        current: Mutex::new(None),
    };
    Plan::from_arguments(runs, &arguments)?.carry_out(&all)?;
    Ok(())
}

/// Has runs performed by processes and passes on what they say. This process
/// performs them too, for the truth.
struct EachInAProcess<P> {
    profiler: P,
    variable: fn(&Mix) -> (&'static str, String),
    current: Mutex<Option<(Mix, u64)>>,
}

impl<P: Profiler> Profiler for EachInAProcess<P> {
    fn name(&self) -> &'static str {
        self.profiler.name()
    }

    fn prepare(&self, mix: &Mix, number: u64) {
        *self.current.lock().expect("no run panicked") = Some((*mix, number));
    }

    /// The interval is that of the process.
    fn set_interval(&self, bytes: u64) -> bool {
        let current = self.current.lock().expect("no run panicked");
        bytes == 0 || current.is_none_or(|(mix, _)| mix.interval == bytes)
    }

    fn begin(&self) {}

    fn figures(&self) -> Figures {
        let current = self.current.lock().expect("no run panicked");
        let (mix, number) = current.expect("it was prepared");
        let (variable, value) = (self.variable)(&mix);
        let output = Command::new(env::current_exe().expect("the program has a file"))
            .args(["run", mix.name, &number.to_string()])
            .env(variable, value)
            .output()
            .expect("the program can be run");
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
        assert_eq!(numbers.len(), 4, "{output:?}");
        Figures {
            allocated: Figure::plain(numbers[0], numbers[1]),
            in_use: Figure::plain(numbers[2], numbers[3]),
        }
    }

    fn growth(&self) -> Option<Figures> {
        None
    }

    fn counted_size(&self, size: usize) -> usize {
        self.profiler.counted_size(size)
    }
}
