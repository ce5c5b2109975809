//! A run in steps, each with a title and its time.

use std::time::{Duration, Instant};

use crate::{Failure, Result};

/// The steps that ran, and how long each took.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    pub(crate) fn run<T>(&mut self, title: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {title}");
        let start = Instant::now();
        let result = step();
        self.done.push((title.to_owned(), start.elapsed()));
        result.map_err(|failure| Failure(format!("step \"{title}\" failed: {failure}")))
    }

    pub(crate) fn print_times(&self) {
        println!("\n== times");
        for (title, time) in &self.done {
            println!("{:7.1} s  {title}", time.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, time)| *time).sum();
        println!("{:7.1} s  together", total.as_secs_f64());
    }
}
