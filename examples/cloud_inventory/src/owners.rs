//! Who owns the memory, read from a profile as any other program would read it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use profile_reader::Profile;

use crate::Result;

/// The bytes in use at a stack, and the functions on it, the innermost first.
pub(crate) struct Stack {
    pub(crate) bytes: i64,
    pub(crate) functions: Vec<String>,
}

impl Stack {
    pub(crate) fn passes(&self, prefix: &str) -> bool {
        self.functions.iter().any(|name| is_in(name, prefix))
    }
}

/// The stacks of a gzip-compressed profile.
pub(crate) fn stacks(gzipped: &[u8]) -> Result<Vec<Stack>> {
    let profile = Profile::decode(gzipped)?;
    let in_use = profile.position("inuse_space")?;
    let stacks = profile.stacks.into_iter().map(|stack| Stack {
        bytes: stack.values[in_use],
        functions: stack.functions,
    });
    Ok(stacks.collect())
}

/// The bytes in use at all stacks that pass through such functions.
pub(crate) fn bytes_through(stacks: &[Stack], prefix: &str) -> i64 {
    stacks
        .iter()
        .filter(|stack| stack.passes(prefix))
        .map(|stack| stack.bytes)
        .sum()
}

/// The functions of such names on each stack, the outermost first, and the bytes in
/// use there; the most first.
pub(crate) fn chains(stacks: &[Stack], prefix: &str) -> Vec<(String, i64)> {
    let mut bytes = BTreeMap::new();
    for stack in stacks.iter().filter(|stack| stack.passes(prefix)) {
        let functions = stack.functions.iter().rev().map(String::as_str);
        let chain: Vec<&str> = functions.filter(|name| is_in(name, prefix)).collect();
        *bytes.entry(chain.join(" > ")).or_default() += stack.bytes;
    }
    // What was freed is in the profile with 0.
    let mut chains: Vec<(String, i64)> = bytes.into_iter().filter(|&(_, b)| b > 0).collect();
    chains.sort_by_key(|&(_, bytes)| Reverse(bytes));
    chains
}

/// `<cloud_inventory::model::Image as ...>::...` too.
fn is_in(name: &str, prefix: &str) -> bool {
    name.trim_start_matches('<').starts_with(prefix)
}
