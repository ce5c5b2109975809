#![forbid(unsafe_code)]
//! What a profile is made of.

use std::borrow::Cow;

use crate::snapshot::{ReturnAddress, StackEnd};

/// A stack that a profile is to be made of.
#[derive(Debug)]
pub(crate) struct Stack<'a, V> {
    /// Innermost call first.
    pub(crate) frames: &'a [ReturnAddress],
    /// Of the module list that the addresses belong to.
    pub(crate) module_generation: u32,
    /// Said at the root: why the stack ends there, or what is in place of one.
    pub(crate) note: Option<&'static str>,
    pub(crate) labels: Vec<Label>,
    pub(crate) values: V,
}

impl StackEnd {
    /// What is said at the root of a stack that ends there.
    pub(crate) const fn note(self) -> Option<&'static str> {
        match self {
            Self::Root => None,
            Self::TooDeep => Some("[truncated: deeper than 128 frames]"),
            Self::Cut => Some("[cut: unknown code]"),
            Self::NotCaptured => Some("[no stack]"),
        }
    }
}

/// What a sample counts.
pub(crate) trait Values: Copy {
    /// Of two samples together.
    fn plus(&self, other: &Self) -> Self;

    /// Nothing is left, as after counters that cancelled out.
    fn is_nothing(&self) -> bool;

    /// One for each of the profile's sample types, in their order.
    fn numbers(&self) -> Vec<i64>;
}

impl<const N: usize> Values for [i64; N] {
    fn plus(&self, other: &Self) -> Self {
        std::array::from_fn(|i| self[i].saturating_add(other[i]))
    }

    fn is_nothing(&self) -> bool {
        *self == [0; N]
    }

    fn numbers(&self) -> Vec<i64> {
        self.to_vec()
    }
}

/// What tells a sample from others of the same stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub(crate) key: Cow<'static, str>,
    pub(crate) value: LabelValue,
}

#[cfg(feature = "http")]
impl Label {
    /// The name of a thread.
    pub(crate) fn thread(name: &str) -> Self {
        Self {
            key: "thread".into(),
            value: LabelValue::Text(name.to_owned().into()),
        }
    }
}

/// See [`Label`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LabelValue {
    Text(Cow<'static, str>),
    /// With its unit, which may be empty.
    Number(i64, &'static str),
}
