//! Findings at rest, and as tables and pictures in `docs/`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::mix::MIXES;
use crate::plot;
use crate::study::Finding;

/// The profilers, in the order of the report.
const PROFILERS: [&str; 3] = ["heapprof", "jemalloc", "pprof-alloc"];

const HEADER: &str = "mix\tfigure\truns\tsamples\teffective samples\tbias\tbias error\t\
                      error ratio\tcoverage";

/// Keeps what was found about a profiler.
///
/// # Errors
/// If the file cannot be written.
pub fn keep(profiler: &str, findings: &[Finding]) -> Result<(), Box<dyn Error>> {
    let mut text = format!("{HEADER}\n");
    for f in findings {
        let coverage = f.coverage.map_or(String::new(), |c| format!("{c:.5}"));
        writeln!(
            text,
            "{}\t{}\t{}\t{:.1}\t{:.1}\t{:.6}\t{:.6}\t{:.3}\t{coverage}",
            f.mix,
            f.figure,
            f.runs,
            f.samples,
            f.effective_samples,
            f.bias,
            f.bias_error,
            f.error_ratio,
        )?;
    }
    fs::write(results(profiler), text)?;
    Ok(())
}

/// What was found about a profiler; nothing if it was not studied.
fn kept(profiler: &str) -> Result<Vec<Finding>, Box<dyn Error>> {
    let Ok(text) = fs::read_to_string(results(profiler)) else {
        return Ok(vec![]);
    };
    let finding = |line: &str| -> Result<Finding, Box<dyn Error>> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [
            mix,
            figure,
            runs,
            samples,
            effective,
            bias,
            bias_error,
            ratio,
            coverage,
        ] = fields[..]
        else {
            return Err(format!("not a finding: {line}").into());
        };
        Ok(Finding {
            profiler: profiler.into(),
            mix: mix.into(),
            figure: figure.into(),
            runs: runs.parse()?,
            samples: samples.parse()?,
            effective_samples: effective.parse()?,
            bias: bias.parse()?,
            bias_error: bias_error.parse()?,
            error_ratio: ratio.parse()?,
            coverage: coverage.parse().ok(),
        })
    };
    text.lines().skip(1).map(finding).collect()
}

/// Writes the tables between the markers of `docs/ACCURACY.md`, and the plots
/// beside it.
///
/// # Errors
/// If a file is missing, or is not what it should be.
pub fn write() -> Result<(), Box<dyn Error>> {
    let mut all = BTreeMap::new();
    for profiler in PROFILERS {
        all.insert(profiler, kept(profiler)?);
    }
    let own = &all["heapprof"];
    let document = root().join("docs/ACCURACY.md");
    let text = fs::read_to_string(&document)?;
    let text = between_markers(&text, "heapprof", &own_table(own)?)?;
    let text = between_markers(&text, "others", &table_of_others(&all)?)?;
    fs::write(&document, text)?;
    plot::bias(own, &root().join("docs/accuracy-bias.svg"))?;
    plot::coverage(own, &root().join("docs/accuracy-coverage.svg"))?;
    Ok(())
}

/// Bias and coverage of every figure.
fn own_table(findings: &[Finding]) -> Result<String, Box<dyn Error>> {
    let mut table = String::from(
        "| mix | figure | runs | samples | effective | bias | its standard error | error, by theory \
         | coverage |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for f in findings {
        writeln!(
            table,
            "| {} | {} | {} | {:.0} | {:.0} | {:+.3} % | {:.3} % | {:.3} | {:.1} % |",
            f.mix,
            f.figure,
            f.runs,
            f.samples,
            f.effective_samples,
            f.bias * 100.0,
            f.bias_error * 100.0,
            f.error_ratio,
            f.coverage.unwrap_or_default() * 100.0,
        )?;
    }
    Ok(table)
}

/// The bias of every profiler's bytes and objects.
fn table_of_others(all: &BTreeMap<&'static str, Vec<Finding>>) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("| mix | figure |");
    for profiler in PROFILERS {
        write!(table, " {profiler} |")?;
    }
    table.push_str("\n|---|---|--:|--:|--:|\n");
    for mix in MIXES {
        let figures = all["heapprof"].iter().filter(|f| f.mix == mix.name);
        for figure in figures.map(|f| &f.figure) {
            write!(table, "| {} | {figure} |", mix.name)?;
            for profiler in PROFILERS {
                let same = |f: &&Finding| f.mix == mix.name && f.figure == *figure;
                match all[profiler].iter().find(same) {
                    Some(f) => write!(
                        table,
                        " {:+.2} % ± {:.2} %, {:.2} |",
                        f.bias * 100.0,
                        f.bias_error * 100.0,
                        f.error_ratio
                    )?,
                    None => table.push_str(" – |"),
                }
            }
            table.push('\n');
        }
    }
    Ok(table)
}

/// `text` with `new` between the markers of that name.
fn between_markers(text: &str, name: &str, new: &str) -> Result<String, Box<dyn Error>> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}{new}{end}{after}"))
    });
    parts.ok_or_else(|| format!("docs/ACCURACY.md has no markers {name}").into())
}

fn results(profiler: &str) -> PathBuf {
    root().join(format!("benches/accuracy/results/{profiler}.tsv"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
