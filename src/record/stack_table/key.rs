//! What tells one node of the stack table from another.

use crate::record::account;
use crate::record::label_table;
use crate::record::stack::{ReturnAddress, StackBuffer, StackEnd, mix};

/// What tells one node from another. In the order in which it is compared: the hash,
/// which is mostly another, first; the stack itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeKey<'a> {
    /// Of the stack.
    pub(super) stack_hash: u64,
    /// Upper limit of the size class, in bytes.
    pub(crate) object_size: u64,
    /// An address range may be used again by another library: the same
    /// addresses under another list of modules are another stack.
    pub(crate) module_generation: u32,
    /// The labels in force at the allocation, see [`label_table`]; 0 is none.
    pub(crate) label_set: u32,
    /// What the allocation was counted for, see [`account`]; mostly nothing.
    pub(crate) account: u32,
    /// The thread's name, as a set of labels, if those are recorded.
    pub(crate) thread_label: u16,
    pub(crate) stack_end: StackEnd,
    /// Innermost call first.
    pub(crate) stack: &'a [ReturnAddress],
}

impl<'a> NodeKey<'a> {
    pub(crate) fn new(captured: &'a StackBuffer, object_size: u64) -> Self {
        Self {
            stack_hash: captured.hash(),
            object_size,
            module_generation: captured.module_generation,
            label_set: 0,
            account: account::NONE,
            thread_label: label_table::NONE as u16,
            stack_end: captured.end,
            stack: captured.frames(),
        }
    }

    /// The same, counted for an account.
    #[cfg(not(loom))]
    pub(crate) fn charged_to(self, account: u32) -> Self {
        Self { account, ..self }
    }

    /// The same, under these labels.
    #[cfg(not(loom))]
    pub(crate) fn labelled(self, label_set: u32, thread_label: u16) -> Self {
        Self {
            label_set,
            thread_label,
            ..self
        }
    }

    pub(super) fn hash(&self) -> u64 {
        let rest = u64::from(self.module_generation) << 32 | u64::from(self.label_set);
        let hash = mix(mix(self.stack_hash, self.object_size), rest);
        let rest = u64::from(self.account) << 32 | u64::from(self.thread_label) << 8;
        let hash = mix(hash, rest | self.stack_end as u64);
        hash ^ (hash >> 32)
    }
}
