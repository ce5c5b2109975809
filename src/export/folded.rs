#![forbid(unsafe_code)]
//! Stacks by the names of their functions, as flame graphs are drawn from.

use std::fmt;
use std::sync::Arc;

use super::owner::{Owner, owner};
use super::profile::{Interner, Location, Profile, Values};

/// Stacks with one figure each; those of the same functions are one.
#[derive(Debug)]
pub(crate) struct Folded {
    names: Vec<Arc<str>>,
    /// For each name, whether it is the program's own and not of the standard
    /// library.
    are_own: Vec<bool>,
    /// Positions in `names`, the root's first, and the figure.
    stacks: Vec<(Vec<usize>, i64)>,
}

impl Folded {
    /// Of the samples whose figure is positive: nothing else can be drawn. They
    /// come in the profile's order.
    pub(crate) fn of<V: Values>(profile: &Profile<V>, figure: impl Fn(&V) -> i64) -> Self {
        let mut names = Interner::default();
        let mut positions = Interner::default();
        let mut folded = Self {
            names: Vec::new(),
            are_own: Vec::new(),
            stacks: Vec::new(),
        };
        for sample in &profile.samples {
            let mut stack = Vec::new();
            for id in sample.locations.iter().rev() {
                for (name, is_own) in functions(profile, &profile.locations[id.0]) {
                    let (position, is_new) = names.id(Arc::clone(&name));
                    if is_new {
                        folded.names.push(name);
                        folded.are_own.push(is_own);
                    }
                    stack.push(position);
                }
            }
            let (position, is_new) = positions.id(stack.clone());
            if is_new {
                folded.stacks.push((stack, 0));
            }
            let sum = &mut folded.stacks[position].1;
            *sum = sum.saturating_add(figure(&sample.values));
        }
        folded.stacks.retain(|(_, sum)| *sum > 0);
        folded
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// For each name, whether it is the program's own.
    pub(crate) fn are_own(&self) -> &[bool] {
        &self.are_own
    }

    /// Positions among the names, the root's first, and the figure.
    pub(crate) fn stacks(&self) -> &[(Vec<usize>, i64)] {
        &self.stacks
    }
}

/// The functions at a location, outermost first, and whether each is the program's
/// own. Code without a name is its address.
fn functions<V>(profile: &Profile<V>, location: &Location) -> Vec<(Arc<str>, bool)> {
    if location.lines.is_empty() {
        return vec![(format!("{:#x}", location.address).into(), true)];
    }
    let lines = location.lines.iter().rev();
    lines
        .map(|line| {
            let function = &profile.functions[line.function.0];
            let name = match &function.name {
                name if name.is_empty() => "[unknown]".into(),
                name => Arc::clone(name),
            };
            let is_own = owner(&function.name, &function.file) == Owner::User;
            (name, is_own)
        })
        .collect()
}

/// A line for each stack: `root;caller;function 4096`, what `flamegraph.pl`,
/// inferno and speedscope read. A semicolon in a name (`[u8; 4]`) becomes a colon.
impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_separator = |c: char| c == ';' || c.is_control();
        let names: Vec<String> = self
            .names()
            .map(|name| name.replace(is_separator, ":"))
            .collect();
        for (stack, figure) in &self.stacks {
            let stack: Vec<&str> = stack.iter().map(|&at| names[at].as_str()).collect();
            writeln!(f, "{} {figure}", stack.join(";"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{module, record, snapshot};
    use crate::export::{Symbols, View};

    #[test]
    fn the_root_comes_first_and_equal_stacks_are_one() {
        let snapshot = snapshot(
            vec![
                record(0, &[0x5100, 0x5200], 8, 100, 1),
                record(1, &[0x5100, 0x5200], 64, 1, 1),
                record(2, &[0x5300], 1024, 1, 0),
            ],
            vec![module("/usr/bin/app", 0x5000, 0x6000)],
        );
        let profile = Profile::of_heap(&snapshot, View::InUse, Symbols::Full);
        let text = |figure: fn(&crate::export::heap::Memory) -> i64| {
            Folded::of(&profile, figure).to_string()
        };
        assert_eq!(text(|memory| memory.in_use.bytes), "0x5200;0x5100 72\n");
        assert_eq!(
            text(|memory| memory.allocated.objects()),
            "0x5200;0x5100 101\n0x5300 1\n"
        );
        assert_eq!(text(|memory| -memory.in_use.bytes), "");
    }

    #[test]
    fn names_cannot_break_lines_or_stacks() {
        let folded = Folded {
            names: vec!["<[u8; 4] as A>::f".into(), "a\nb\u{7f} 7".into()],
            are_own: vec![true, true],
            stacks: vec![(vec![0, 1], 3)],
        };
        assert_eq!(folded.to_string(), "<[u8: 4] as A>::f;a:b: 7 3\n");
    }
}
