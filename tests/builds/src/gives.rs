//! What the profile of a build gives.

use std::fmt;

use heapprof_end_to_end::decode::Frame;
use heapprof_end_to_end::{Profile, Values};

use crate::Result;

/// An owner in the program: see `program/src/owners.rs`.
struct Owner {
    name: &'static str,
    /// The size class of its blocks: none but its own are in it.
    object_size: i64,
    objects: usize,
    freed: usize,
    size: usize,
}

const OWNERS: [Owner; 3] = [
    Owner {
        name: "owners::owner_plain",
        object_size: 1_792,
        objects: 10,
        freed: 0,
        size: 1_700,
    },
    Owner {
        name: "owners::owner_generic",
        object_size: 3_072,
        objects: 5,
        freed: 0,
        size: 3_000,
    },
    Owner {
        name: "owners::owner_inlined",
        object_size: 20_480,
        objects: 3,
        freed: 1,
        size: 20_000,
    },
];

impl Owner {
    fn values(&self) -> Values {
        Values::partly_freed(self.objects, self.freed, self.size)
    }
}

/// See the module's description. What it does not mention is an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gives {
    names: Names,
    has_lines: bool,
    inlined: Inlined,
    stack: Stack,
}

#[derive(Debug, PartialEq, Eq)]
enum Names {
    OfAll,
    /// And the profile says so.
    None,
}

#[derive(Debug, PartialEq, Eq)]
enum Inlined {
    /// By their whole names.
    Full,
    /// By their names without a path.
    Bare,
    None,
}

#[derive(Debug, PartialEq, Eq)]
enum Stack {
    /// To where the program and each thread begin.
    Whole,
    /// To the program's own main function; the rest is cut and marked.
    ToMain,
    /// Some have so many addresses only, and are marked as cut.
    Cut(usize),
    /// The same without a mark.
    Short(usize),
}

impl Gives {
    pub(crate) const HEADER: &str = "\
| Build | Figures | Names | Lines | Inlined functions | Stacks |
|---|---|---|---|---|---|";

    /// What this profile gives. Errs if its figures are not exact.
    pub(crate) fn of(profile: &Profile) -> Result<Self> {
        let comments = profile.comments().join("\n");
        let mut frames = Vec::new();
        for owner in &OWNERS {
            expect_equal(
                owner.name,
                profile.sum_of_size(owner.object_size),
                owner.values(),
            )?;
            frames.push(one_stack(profile, owner)?);
        }
        let misplaced = profile.misplaced_addresses();
        if !misplaced.is_empty() {
            return Err(format!("addresses in no mapping: {misplaced:x?}"));
        }
        let is_named = |owner: &Owner| profile.sample_count(owner.name) > 0;
        let names = match OWNERS.iter().filter(|owner| is_named(owner)).count() {
            0 => Names::None,
            3 => Names::OfAll,
            _ => return Err(format!("names for some owners only: {frames:#?}")),
        };
        match names {
            Names::OfAll => {
                for owner in &OWNERS {
                    expect_equal(owner.name, profile.sum(owner.name), owner.values())?;
                }
            }
            Names::None if !comments.contains("no names from") => {
                return Err(format!(
                    "names are missing, and nothing says so: {comments}"
                ));
            }
            Names::None => {}
        }
        Ok(Self {
            names,
            has_lines: has_lines(&frames)?,
            inlined: inlined(&frames[2]),
            stack: stack(profile, &frames),
        })
    }
}

/// Of the longest stack, if there are several (one for each call).
fn one_stack(profile: &Profile, owner: &Owner) -> Result<Vec<Frame>> {
    let stacks = profile.stacks_of_size(owner.object_size);
    stacks
        .into_iter()
        .max_by_key(Vec::len)
        .ok_or_else(|| format!("{} is missing", owner.name))
}

/// Lines, of all owners or none, in the right file.
fn has_lines(stacks: &[Vec<Frame>]) -> Result<bool> {
    let of_owners: Vec<&Frame> = stacks
        .iter()
        .flatten()
        .filter(|frame| OWNERS.iter().any(|owner| frame.name.ends_with(owner.name)))
        .collect();
    let with_lines: Vec<_> = of_owners.iter().filter(|frame| frame.line > 0).collect();
    if with_lines.is_empty() {
        return Ok(false);
    }
    let are_right = with_lines
        .iter()
        .all(|frame| frame.file.ends_with("owners.rs"));
    if with_lines.len() == of_owners.len() && are_right {
        Ok(true)
    } else {
        Err(format!(
            "lines for some only, or of another file: {of_owners:#?}"
        ))
    }
}

fn inlined(stack: &[Frame]) -> Inlined {
    let helper = stack
        .iter()
        .find(|frame| frame.name.contains("inlined_helper"));
    match helper {
        Some(frame) if frame.name.ends_with("owners::inlined_helper") => Inlined::Full,
        Some(_) => Inlined::Bare,
        None => Inlined::None,
    }
}

/// The stacks of the owners, each of which has a few functions above it.
fn stack(profile: &Profile, stacks: &[Vec<Frame>]) -> Stack {
    let depths = OWNERS
        .iter()
        .flat_map(|owner| profile.depths_of_size(owner.object_size));
    let depth = depths.min().unwrap_or(0);
    let outermost: Vec<_> = stacks
        .iter()
        .filter_map(|stack| Some(&stack.last()?.name))
        .collect();
    println!("{depth} addresses at least; outermost: {outermost:?}");
    let is_marked = |stack: &&Vec<Frame>| stack.iter().any(|frame| frame.name.starts_with('['));
    let reaches_main = |stack: &Vec<Frame>| {
        stack
            .iter()
            .any(|frame| frame.name.ends_with("program::main"))
    };
    let marked: Vec<_> = stacks.iter().filter(is_marked).collect();
    if !marked.is_empty() && marked.iter().all(|stack| reaches_main(stack)) {
        Stack::ToMain
    } else if !marked.is_empty() {
        Stack::Cut(depth)
    } else if depth < 5 {
        Stack::Short(depth)
    } else {
        Stack::Whole
    }
}

/// After everything was freed, nothing is in use.
pub(crate) fn check_freed(profile: &Profile) -> Result<()> {
    for owner in &OWNERS {
        let freed = Values::partly_freed(owner.objects, owner.objects, owner.size);
        expect_equal(owner.name, profile.sum_of_size(owner.object_size), freed)?;
    }
    Ok(())
}

fn expect_equal(what: &str, found: Values, expected: Values) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, not {expected:?}"))
    }
}

impl fmt::Display for Gives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match self.names {
            Names::OfAll => "yes",
            Names::None => "no; addresses and build ids",
        };
        let lines = if self.has_lines { "yes" } else { "no" };
        let inlined = match self.inlined {
            Inlined::Full => "yes",
            Inlined::Bare => "by their bare names",
            Inlined::None => "no",
        };
        write!(f, "exact | {names} | {lines} | {inlined} | ")?;
        match self.stack {
            Stack::Whole => write!(f, "whole"),
            Stack::ToMain => write!(f, "up to `main`; what called it is cut, and marked"),
            Stack::Cut(frames) => write!(f, "cut after {frames} calls, and marked"),
            Stack::Short(frames) => write!(f, "{frames} calls"),
        }
    }
}
