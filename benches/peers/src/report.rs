//! The tables, as Markdown.

use std::fmt::{self, Write as _};

use crate::Result;
use crate::benches::Ran;
use crate::build::Built;
use crate::contenders::{Contender, Group};
use crate::figures::{Figure, Figures};
use crate::machine;
use crate::run::SERVER;
use crate::statistics::Estimate;
use crate::targets;

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, low, high } = self;
        write!(f, "{value:.3} ({low:.3}–{high:.3})")
    }
}

const METHOD: &str = "\
Every contender is a program of its own that runs the same workloads. They run in turn, A B C A B C …, a number of
rounds fixed beforehand; no run is left out, and all are in [benches/peers/runs.csv](benches/peers/runs.csv). A program warms up and times
nine batches; its figure is their median. In each round it is divided by the figure of the same allocator without
profiling: 1.00 is no cost. The tables show the medians over the rounds, with 95 % intervals by bootstrap over the rounds.
Two kinds of luck are taken out, each worth 10 % and more of what an allocation takes: every batch meets a heap of another
layout (in one round the same for all programs), and in every program all functions begin on a cache line.
Every profiler takes a sample every 512 KiB on average, but for those that record every allocation. pprof-alloc and
dial9 need a program built with frame pointers; they are set against the system's allocator built in the same way.

`realloc_growth` is shown and does not count, in means and for targets: it allocates 131 KiB in a fraction of a microsecond
and writes to none of it, so it meets a sample every few hundred nanoseconds. `vec_growth` grows a vector that is filled.";

const REASONS: &str = "\
What stands in the way of the targets that are missed:

- Where a block comes and goes in 5 to 8 ns, what is left is the samples: one for every 512 pairs of 1 KiB, 200 to 250 ns each, 400
  at 30 frames. That is 0.4 to 0.8 ns a pair. `replacement` meets one for every thousand blocks, amid memory that is not in the caches.
  For 1.02 over jemalloc a sample would have to take 60 ns.
- What every allocation pays, ten instructions, is a quarter of a nanosecond: seen in `pair_64` over mimalloc, within the noise elsewhere.
- `replacement_2` over glibc varies threefold from run to run, with and without a profiler, as threads meet in its arenas; the interval
  of the mean over the system's allocator is as wide for that alone. `cross_thread` depends on which of two threads is ahead.
- Programs that work on what they allocate are at 0.99 to 1.04, with intervals that are wider than what is left to see: one peer
  is faster on `cross_thread` with profiling than without.
- At interval 1 most of a sample is the unwinding and a dozen atomic additions; dhat, which counts under a lock, takes four to nine
  times as long, not ten. When a block is resized dhat seems not to look at the stack again: that costs it a seventh of an allocation.";

pub(crate) fn comparison(built: &Built, figures: &Figures, benches: &[Ran]) -> Result<String> {
    let contenders: Vec<_> = built
        .programs
        .iter()
        .map(|program| program.contender)
        .collect();
    let mut text = String::from("# Benchmarks\n\nTo run them again, and write this page anew:\n\n");
    writeln!(
        text,
        "```console\n$ cargo run --release -p peers -- compare {}\n```\n",
        figures.rounds
    )?;
    writeln!(text, "{METHOD}\n")?;
    for line in machine::describe() {
        writeln!(text, "- {line}")?;
    }
    writeln!(text, "- {}", versions())?;
    writeln!(
        text,
        "- {} rounds; {}",
        figures.rounds,
        compiled_once(built)
    )?;
    for (contender, reason) in &built.missing {
        writeln!(text, "- not built: {}, {reason}", contender.name)?;
    }

    writeln!(
        text,
        "\n## Targets\n\n| Target | Exceptions, or result | Met |\n|---|---|---|"
    )?;
    for target in targets::all(&contenders, figures) {
        let met = if target.met { "yes" } else { "**no**" };
        writeln!(text, "| {} | {} | {met} |", target.promise, target.result)?;
    }
    writeln!(text, "\n{REASONS}")?;
    let of = |groups: &[Group]| -> Vec<Contender> {
        contenders
            .iter()
            .filter(|contender| groups.contains(&contender.group))
            .copied()
            .collect()
    };
    writeln!(
        text,
        "\n## Time, against the same allocator without profiling\n"
    )?;
    ratios(&mut text, &of(&[Group::Heapprof]), figures)?;
    writeln!(text)?;
    ratios(&mut text, &of(&[Group::Peer]), figures)?;
    writeln!(text, "\nEvery allocation recorded:\n")?;
    ratios(&mut text, &of(&[Group::Exact]), figures)?;
    writeln!(text, "\n## Nanoseconds per operation\n")?;
    absolute(&mut text, &contenders, figures, |run| run.ns)?;
    writeln!(text, "\n## The server\n")?;
    server(&mut text, &contenders, figures)?;
    writeln!(text, "\n## Peak resident memory, MiB\n")?;
    absolute(&mut text, &contenders, figures, |run| run.peak_kib / 1024.0)?;
    for bench in benches {
        writeln!(text, "\n## {}\n\n{}\n", bench.title, bench.target)?;
        writeln!(
            text,
            "```console\n$ cargo {}\n{}\n```",
            bench.command.join(" "),
            bench.printed
        )?;
    }
    Ok(text)
}

/// heapprof at several intervals.
pub(crate) fn intervals(built: &Built, figures: &Figures) -> Result<String> {
    let contenders: Vec<_> = built
        .programs
        .iter()
        .map(|program| program.contender)
        .collect();
    let finer: Vec<_> = contenders
        .iter()
        .filter(|contender| contender.group == Group::Finer)
        .copied()
        .collect();
    let mut text = String::new();
    ratios(&mut text, &finer, figures)?;
    writeln!(text)?;
    server(&mut text, &contenders, figures)?;
    writeln!(text, "\nPeak resident memory, MiB:\n")?;
    absolute(&mut text, &contenders, figures, |run| run.peak_kib / 1024.0)?;
    Ok(text)
}

fn ratios(text: &mut String, contenders: &[Contender], figures: &Figures) -> fmt::Result {
    header(text, contenders)?;
    for workload in &figures.workloads {
        let note = if workload.counts {
            ""
        } else {
            " (does not count)"
        };
        write!(text, "| {}: {}{note} |", workload.name, workload.operation)?;
        for contender in contenders {
            write!(
                text,
                " {} |",
                figures.ratio(contender, workload, |run| run.ns)
            )?;
        }
        writeln!(text)?;
    }
    write!(text, "| **geometric mean** |")?;
    for contender in contenders {
        write!(text, " **{}** |", figures.mean_ratio(contender))?;
    }
    writeln!(text)
}

fn absolute(
    text: &mut String,
    contenders: &[Contender],
    figures: &Figures,
    figure: Figure,
) -> fmt::Result {
    write!(text, "| |")?;
    for workload in &figures.workloads {
        write!(text, " {} |", workload.name)?;
    }
    writeln!(text, "\n|---{}|", "|---:".repeat(figures.workloads.len()))?;
    for contender in contenders {
        write!(text, "| {} |", contender.name)?;
        for workload in &figures.workloads {
            write!(
                text,
                " {:.1} |",
                figures.median(contender, workload, figure)
            )?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn server(text: &mut String, contenders: &[Contender], figures: &Figures) -> fmt::Result {
    let Some(workload) = figures
        .workloads
        .iter()
        .find(|workload| workload.name == SERVER)
    else {
        return Ok(());
    };
    let columns: [(&str, Figure); 4] = [
        ("requests a second", |run| 1e9 / run.ns),
        ("p50, µs", |run| {
            run.server.map_or(f64::NAN, |(_, took)| took.p50_us)
        }),
        ("p99, µs", |run| {
            run.server.map_or(f64::NAN, |(_, took)| took.p99_us)
        }),
        ("processor time a request, µs", |run| {
            run.server.map_or(f64::NAN, |(cpu, _)| cpu / 1e3)
        }),
    ];
    write!(text, "| |")?;
    for (title, _) in columns {
        write!(text, " {title} |")?;
    }
    writeln!(
        text,
        " against the allocator alone |\n|---|---:|---:|---:|---:|---:|"
    )?;
    for contender in contenders {
        write!(text, "| {} |", contender.name)?;
        for (_, figure) in columns {
            write!(
                text,
                " {:.1} |",
                figures.median(contender, workload, figure)
            )?;
        }
        writeln!(
            text,
            " {} |",
            figures.ratio(contender, workload, columns[3].1)
        )?;
    }
    Ok(())
}

fn header(text: &mut String, contenders: &[Contender]) -> fmt::Result {
    write!(text, "| |")?;
    for contender in contenders {
        write!(text, " {} |", contender.name)?;
    }
    writeln!(text, "\n|---{}|", "|---:".repeat(contenders.len()))
}

fn versions() -> String {
    let own = |package| (package, "");
    let packages = [
        own("heapprof"),
        own("tikv-jemallocator"),
        own("mimalloc"),
        own("stoolap-jemalloc"),
        ("mimalloc-pprof", "benches/contenders/mimalloc_pprof"),
        own("pprof-alloc"),
        own("dial9"),
        own("dhat"),
    ];
    let versions = packages.iter().filter_map(|(package, folder)| {
        Some(format!(
            "{package} {}",
            machine::version_of(package, folder)?
        ))
    });
    versions.collect::<Vec<_>>().join(", ")
}

fn compiled_once(built: &Built) -> String {
    match built.workloads.len() {
        1 => "the workloads were compiled once for all programs without frame pointers".into(),
        count => format!(
            "the workloads were compiled {count} times, as dependencies that they share with a peer differ"
        ),
    }
}
