//! Many runs of a mix, and what their errors say about the profiler.

use std::error::Error;
use std::fmt;
use std::thread;

use crate::mix::{MIXES, Mix, Work};
use crate::profiler::{Figure, Profiler};
use crate::report;
use crate::run::{Outcome, run};
use crate::truth::{Pair, Truth};

/// The bias that a profiler may have at most, of the true figure.
pub const MOST_BIAS: f64 = 0.005;
/// Part of the intervals that should hold the truth.
pub const COVERAGE: std::ops::RangeInclusive<f64> = 0.93..=0.97;
/// Weights are rounded to 1/1024th of an object, figures to whole ones.
const ROUNDING: f64 = 5e-4;
/// What is less likely does not happen by chance.
const RARE: f64 = 1e-9;
/// From this many samples on, coverage has an upper limit too.
const MANY_SAMPLES: f64 = 30.0;

/// What many runs of one mix say about one figure.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// The profiler.
    pub profiler: String,
    /// The mix.
    pub mix: String,
    /// Which figure: `allocated objects` and so on.
    pub figure: String,
    /// Runs.
    pub runs: u64,
    /// Samples expected in a run.
    pub samples: f64,
    /// See [`Truth::effective_samples`].
    pub effective_samples: f64,
    /// The mean error, of the true figure.
    pub bias: f64,
    /// The standard error of `bias`, from the true sizes.
    pub bias_error: f64,
    /// The root of the mean squared error, by what theory says it should be.
    pub error_ratio: f64,
    /// Part of the intervals that held the truth, if there are intervals.
    pub coverage: Option<f64>,
}

/// Which mixes, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Runs of each mix.
    pub runs: u64,
    /// Part of the mix's name.
    pub mix: String,
}

impl Plan {
    /// Runs and a mix, both optional.
    ///
    /// # Errors
    /// If the first is no number, or there are more.
    pub fn from_arguments(runs: u64, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let (runs, mix) = match *arguments {
            [] => (runs, ""),
            [runs] => (runs.parse()?, ""),
            [runs, mix] => (runs.parse()?, mix),
            _ => return Err("too many arguments".into()),
        };
        Ok(Self {
            runs,
            mix: mix.into(),
        })
    }

    /// Prints what is found, and keeps it if it is about all mixes.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub fn carry_out(&self, profiler: &dyn Profiler) -> Result<Vec<Finding>, Box<dyn Error>> {
        let mut findings = Vec::new();
        for mix in MIXES.iter().filter(|mix| mix.name.contains(&self.mix)) {
            for finding in study(mix, self.runs * mix.run_factor, profiler) {
                let mark = if finding.is_within_limits() { "" } else { " !" };
                println!("{finding}{mark}");
                findings.push(finding);
            }
        }
        if self.mix.is_empty() {
            report::keep(profiler.name(), &findings)?;
        }
        Ok(findings)
    }
}

/// Performs so many runs of `mix`, each on a fresh thread. Empty if the profiler
/// cannot do what it asks for.
pub fn study(mix: &Mix, runs: u64, profiler: &dyn Profiler) -> Vec<Finding> {
    let mut sums: [Sums; 4] = Default::default();
    for number in 0..runs {
        let outcome = thread::scope(|scope| {
            let run = scope.spawn(|| run(mix, number, profiler));
            run.join().expect("the run ends well")
        });
        let Some(outcome) = outcome else {
            return vec![];
        };
        let Outcome {
            allocated,
            in_use,
            in_use_scale,
            figures,
        } = outcome;
        let [objects, bytes, ..] = &mut sums;
        Sums::note([objects, bytes], &allocated, &allocated, &figures.allocated);
        let [.., objects, bytes] = &mut sums;
        Sums::note([objects, bytes], &in_use, &in_use_scale, &figures.in_use);
    }
    let names = match mix.work {
        Work::Growth => [
            "allocated objects",
            "allocated bytes",
            "growth of objects",
            "growth of bytes",
        ],
        _ => [
            "allocated objects",
            "allocated bytes",
            "in-use objects",
            "in-use bytes",
        ],
    };
    let findings = sums.iter().zip(names);
    findings
        .map(|(sums, figure)| Finding {
            profiler: profiler.name().into(),
            mix: mix.name.into(),
            figure: figure.into(),
            ..sums.finding(runs)
        })
        .collect()
}

/// Sums over runs, for one figure. Errors are relative to the true figure.
#[derive(Clone, Debug, Default)]
struct Sums {
    error: f64,
    squared_error: f64,
    variance: f64,
    samples: f64,
    effective_samples: f64,
    covered: u64,
    intervals: u64,
}

impl Sums {
    /// Notes what was said about objects and bytes.
    fn note(sums: [&mut Self; 2], truth: &Truth, scale: &Truth, figure: &Figure) {
        let Pair { objects, bytes } = truth.effective_samples();
        let of = [
            (
                figure.objects,
                truth.value.objects,
                scale.value.objects,
                truth.variance.objects,
                objects,
            ),
            (
                figure.bytes,
                truth.value.bytes,
                scale.value.bytes,
                truth.variance.bytes,
                bytes,
            ),
        ];
        for (index, sums) in sums.into_iter().enumerate() {
            let (estimate, truth_value, scale, variance, effective) = of[index];
            let error = (estimate - truth_value) / scale;
            sums.error += error;
            sums.squared_error += error * error;
            sums.variance += variance / (scale * scale);
            sums.samples += truth.samples;
            sums.effective_samples += effective;
            if let Some(intervals) = &figure.intervals {
                // Sums of whole numbers are exact in floats.
                sums.covered += u64::from(intervals[index].contains(&(truth_value.round() as i64)));
                sums.intervals += 1;
            }
        }
    }

    fn finding(&self, runs: u64) -> Finding {
        let n = runs as f64;
        Finding {
            runs,
            samples: self.samples / n,
            effective_samples: self.effective_samples / n,
            bias: self.error / n,
            bias_error: self.variance.sqrt() / n,
            error_ratio: if self.variance > 0.0 {
                (self.squared_error / self.variance).sqrt()
            } else {
                0.0
            },
            coverage: (self.intervals > 0).then(|| self.covered as f64 / self.intervals as f64),
            ..Finding::default()
        }
    }
}

impl Finding {
    /// What is wrong with the figure, as far as so many runs can tell: a study of
    /// all mixes by a correct profiler finds something in less than one of a million
    /// times.
    pub fn problem(&self) -> Option<String> {
        if self.bias.abs() > 6.0 * self.bias_error + ROUNDING {
            return Some(format!("biased: {self}"));
        }
        let coverage = self.coverage?;
        let held = (coverage * self.runs as f64).round() as u64;
        let (least, most) = (*COVERAGE.start(), *COVERAGE.end());
        if at_least(self.runs - held, self.runs, 1.0 - least) < RARE {
            return Some(format!("intervals too narrow: {self}"));
        }
        (self.has_upper_limit() && at_least(held, self.runs, most) < RARE)
            .then(|| format!("intervals too wide: {self}"))
    }

    /// The same, by the limits as they are: what a long study has to fulfil.
    pub fn is_within_limits(&self) -> bool {
        let coverage = self.coverage.is_none_or(|coverage| {
            coverage >= *COVERAGE.start()
                && (coverage <= *COVERAGE.end() || !self.has_upper_limit())
        });
        let resolves = self.bias_error * 3.0 < MOST_BIAS;
        coverage
            && self.bias.abs() <= 6.0 * self.bias_error + ROUNDING
            && (self.bias.abs() < MOST_BIAS || !resolves)
    }

    /// Are there enough samples for intervals that are neither too narrow nor too
    /// wide? Growth never has them: its intervals are an upper limit.
    fn has_upper_limit(&self) -> bool {
        self.effective_samples >= MANY_SAMPLES && !self.figure.starts_with("growth")
    }
}

/// The probability of at least `successes` in `trials`, of which each is one with
/// probability `p`.
fn at_least(successes: u64, trials: u64, p: f64) -> f64 {
    let mut logarithm = trials as f64 * (1.0 - p).ln();
    let mut sum = 0.0;
    for k in 0..=trials {
        if k >= successes {
            sum += logarithm.exp();
        }
        logarithm += ((trials - k) as f64 / (k + 1) as f64 * p / (1.0 - p)).ln();
    }
    sum
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:14} {:26} {:18} {:6} runs, {:6.1} samples ({:6.1}), bias {:+.4} % +- {:.4} %, error / theory {:.3}",
            self.profiler,
            self.mix,
            self.figure,
            self.runs,
            self.samples,
            self.effective_samples,
            self.bias * 100.0,
            self.bias_error * 100.0,
            self.error_ratio,
        )?;
        match self.coverage {
            Some(coverage) => write!(f, ", coverage {:.2} %", coverage * 100.0),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_tails() {
        assert!((at_least(0, 100, 0.05) - 1.0).abs() < 1e-12);
        assert!((at_least(50, 50, 0.93) / 0.93_f64.powi(50) - 1.0).abs() < 1e-9);
        assert!((at_least(2, 3, 0.5) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_is_wrong_is_found() {
        let good = Finding {
            runs: 1_000,
            effective_samples: 100.0,
            bias_error: 0.001,
            coverage: Some(0.95),
            ..Finding::default()
        };
        assert_eq!(good.problem(), None);
        assert!(good.is_within_limits());
        let with = |change: fn(&mut Finding)| {
            let mut finding = good.clone();
            change(&mut finding);
            (finding.problem().is_some(), finding.is_within_limits())
        };
        assert_eq!(with(|f| f.bias = -0.01), (true, false));
        assert_eq!(with(|f| f.bias = 0.0055), (false, false));
        assert_eq!(with(|f| f.coverage = Some(0.87)), (true, false));
        assert_eq!(with(|f| f.coverage = Some(0.92)), (false, false));
        assert_eq!(with(|f| f.coverage = Some(1.0)), (true, false));
    }
}
