//! What was promised, beside what came out. A target is met when the upper end of
//! its interval meets it.

use crate::contenders::{Contender, Group};
use crate::figures::{Figures, Workload};
use crate::statistics::Estimate;

const APPLICATIONS: [&str; 4] = ["btree_map", "strings", "json", "server"];

pub(crate) struct Target {
    pub(crate) promise: String,
    pub(crate) result: String,
    pub(crate) met: bool,
}

pub(crate) fn all(contenders: &[Contender], figures: &Figures) -> Vec<Target> {
    let of = |group| {
        contenders
            .iter()
            .filter(move |contender| contender.group == group)
    };
    let mut targets = Vec::new();
    for contender in of(Group::Heapprof) {
        targets.push(mean(contender, figures));
        targets.push(worst(contender, figures, 1.10, |_| true));
        targets.push(worst(contender, figures, 1.02, |workload| {
            APPLICATIONS.contains(&workload.name.as_str())
        }));
        targets.push(ahead_in_the_mean(contender, of(Group::Peer), figures));
        targets.push(behind_the_best(contender, of(Group::Peer), figures));
    }
    let mut exact = of(Group::Exact);
    if let (Some(ours), Some(theirs)) = (exact.next(), exact.next()) {
        targets.push(exact_overhead(ours, theirs, figures));
    }
    targets
}

fn ratio(contender: &Contender, workload: &Workload, figures: &Figures) -> Estimate {
    figures.ratio(contender, workload, |run| run.ns)
}

fn mean(contender: &Contender, figures: &Figures) -> Target {
    let mean = figures.mean_ratio(contender);
    Target {
        promise: format!("{}: geometric mean at most 1.02", contender.name),
        result: mean.to_string(),
        met: mean.high <= 1.02,
    }
}

fn worst(
    contender: &Contender,
    figures: &Figures,
    limit: f64,
    is_meant: impl Fn(&Workload) -> bool,
) -> Target {
    let meant: Vec<_> = figures
        .counted()
        .filter(|workload| is_meant(workload))
        .collect();
    let above: Vec<_> = meant
        .iter()
        .map(|workload| (ratio(contender, workload, figures), workload))
        .filter(|(ratio, _)| ratio.high > limit)
        .map(|(ratio, workload)| format!("{} {ratio}", workload.name))
        .collect();
    let which = if meant.len() == figures.counted().count() {
        "no workload".to_owned()
    } else {
        format!("none of {}", APPLICATIONS.join(", "))
    };
    Target {
        promise: format!("{}: {which} above {limit:.2}", contender.name),
        met: above.is_empty(),
        result: listed(above),
    }
}

fn ahead_in_the_mean<'a>(
    contender: &Contender,
    peers: impl Iterator<Item = &'a Contender>,
    figures: &Figures,
) -> Target {
    let ours = figures.mean_ratio(contender);
    let ahead: Vec<_> = peers
        .map(|peer| (peer.name, figures.mean_ratio(peer)))
        .filter(|(_, theirs)| ours.high >= theirs.value)
        .map(|(name, theirs)| format!("{name} {theirs}"))
        .collect();
    Target {
        promise: format!(
            "{}: ahead of every peer in the geometric mean",
            contender.name
        ),
        met: ahead.is_empty(),
        result: listed(ahead),
    }
}

fn behind_the_best<'a>(
    contender: &Contender,
    peers: impl Iterator<Item = &'a Contender> + Clone,
    figures: &Figures,
) -> Target {
    let behind: Vec<_> = figures
        .counted()
        .filter_map(|workload| {
            let ours = ratio(contender, workload, figures);
            let best = peers
                .clone()
                .map(|peer| (ratio(peer, workload, figures).value, peer.name))
                .min_by(|a, b| a.0.total_cmp(&b.0))?;
            (ours.high > best.0 + 0.03)
                .then(|| format!("{} {ours} ({} {:.3})", workload.name, best.1, best.0))
        })
        .collect();
    Target {
        promise: format!(
            "{}: nowhere more than 0.03 behind the best peer",
            contender.name
        ),
        met: behind.is_empty(),
        result: listed(behind),
    }
}

fn exact_overhead(ours: &Contender, theirs: &Contender, figures: &Figures) -> Target {
    let above: Vec<_> = figures
        .counted()
        .filter_map(|workload| {
            let ours = ratio(ours, workload, figures).high - 1.0;
            let theirs = ratio(theirs, workload, figures).value - 1.0;
            let share = ours / theirs;
            (share > 0.1).then(|| format!("{} {share:.3}", workload.name))
        })
        .collect();
    Target {
        promise: format!(
            "{}: at most a tenth of {}'s overhead on every workload",
            ours.name, theirs.name
        ),
        met: above.is_empty(),
        result: listed(above),
    }
}

fn listed(exceptions: Vec<String>) -> String {
    if exceptions.is_empty() {
        "all".into()
    } else {
        format!("but: {}", exceptions.join("; "))
    }
}
