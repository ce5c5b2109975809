//! What was measured: a line for each process that ran.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::contenders::Contender;
use crate::load::Latencies;
use crate::statistics::{self, Estimate};

/// What one process gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Nanoseconds per operation, the median of its batches.
    pub(crate) ns: f64,
    pub(crate) peak_kib: f64,
    /// Of the server: nanoseconds of processor time per request, and how long
    /// requests took.
    pub(crate) server: Option<(f64, Latencies)>,
}

/// Something that can be read off a run.
pub(crate) type Figure = fn(&Run) -> f64;

#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) name: String,
    /// What one operation is.
    pub(crate) operation: String,
    /// Does it count in the means and for the targets?
    pub(crate) counts: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) rounds: usize,
    /// By contender and workload: the rounds.
    runs: HashMap<(&'static str, String), Vec<Run>>,
}

impl Figures {
    pub(crate) fn new(workloads: Vec<Workload>) -> Self {
        Self {
            workloads,
            ..Self::default()
        }
    }

    /// Those that count.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().filter(|workload| workload.counts)
    }

    pub(crate) fn push(&mut self, contender: &Contender, workload: &Workload, run: Run) {
        let key = (contender.name, workload.name.clone());
        self.runs.entry(key).or_default().push(run);
    }

    fn rounds_of(&self, contender: &'static str, workload: &Workload) -> &[Run] {
        let runs = self.runs.get(&(contender, workload.name.clone()));
        runs.map_or(&[], Vec::as_slice)
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, contender: &Contender, workload: &Workload, figure: Figure) -> f64 {
        let rounds = self.rounds_of(contender.name, workload);
        statistics::median(rounds.iter().map(figure).collect())
    }

    /// A figure over that of the same allocator without profiling, round by round.
    pub(crate) fn ratios(
        &self,
        contender: &Contender,
        workload: &Workload,
        figure: Figure,
    ) -> Vec<f64> {
        let with = self.rounds_of(contender.name, workload);
        let without = self.rounds_of(contender.against, workload);
        with.iter()
            .zip(without)
            .map(|(with, without)| figure(with) / figure(without))
            .collect()
    }

    pub(crate) fn ratio(
        &self,
        contender: &Contender,
        workload: &Workload,
        figure: Figure,
    ) -> Estimate {
        Estimate::of_median(&self.ratios(contender, workload, figure))
    }

    /// The geometric mean of the ratios of all workloads that count.
    pub(crate) fn mean_ratio(&self, contender: &Contender) -> Estimate {
        let ratios: Vec<_> = self
            .counted()
            .map(|workload| self.ratios(contender, workload, |run| run.ns))
            .collect();
        Estimate::of_geometric_mean(&ratios)
    }

    pub(crate) fn write_csv(&self, path: &Path) -> Result {
        let mut text = String::from(
            "contender,workload,round,ns_per_operation,peak_kib,server_cpu_ns,server_p50_us,server_p99_us\n",
        );
        let mut keys: Vec<_> = self.runs.keys().collect();
        keys.sort();
        for key in keys {
            for (round, run) in self.runs[key].iter().enumerate() {
                let (contender, workload) = key;
                write!(
                    text,
                    "\"{contender}\",{workload},{round},{:.4},{}",
                    run.ns, run.peak_kib
                )?;
                match &run.server {
                    Some((cpu, took)) => {
                        writeln!(text, ",{cpu:.0},{},{}", took.p50_us, took.p99_us)?
                    }
                    None => writeln!(text, ",,,")?,
                }
            }
        }
        std::fs::write(path, text)?;
        Ok(())
    }
}
