#![forbid(unsafe_code)]
//! Fields of `tracing`'s spans as labels.

use std::cell::RefCell;
use std::fmt::{Debug, Write};

use tracing_core::Subscriber;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::Labels;
use crate::record::thread;

/// A layer for `tracing_subscriber` that labels memory by the spans it is allocated
/// in: chosen fields become labels, in the span and in those inside it.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let subscriber = tracing_subscriber::registry()
///     .with(heapprof::LabelLayer::new(["route", "tenant"]));
/// # drop(subscriber);
/// ```
///
/// A span's labels are those of the span around it, or those in force where it is
/// made, and its own. They are found when it is made or a field is recorded later
/// ([`Labels::new`] says what that costs); to enter and to leave it, as an
/// instrumented future does at every poll, costs a look at the span and two words. A
/// field that changes while the span is entered counts from the next time on.
///
/// Only fields of few different values are fit for it: see the limits at
/// [`Labels::new`]. A subscriber may have several such layers: their fields add up.
#[derive(Debug)]
pub struct LabelLayer {
    fields: Box<[String]>,
}

impl LabelLayer {
    /// With these fields of spans, whichever have them.
    pub fn new<F: Into<String>>(fields: impl IntoIterator<Item = F>) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { fields }
    }

    fn chosen(&self) -> Chosen<'_> {
        Chosen {
            fields: &self.fields,
            labels: Vec::new(),
        }
    }
}

/// What a span keeps.
#[derive(Clone, Copy)]
struct OfSpan(Labels);

thread_local! {
    /// The spans that this thread is in, innermost last, with the labels before each.
    static ENTERED: RefCell<Vec<(Id, Labels)>> = const { RefCell::new(Vec::new()) };
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LabelLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let _busy = thread::busy();
        let Some(span) = context.span(id) else { return };
        let mut chosen = self.chosen();
        attributes.record(&mut chosen);
        // Another layer of these may have been here before.
        let before = of_span(&span).or_else(|| of_span(&span.parent()?));
        let labels = chosen.beside(before.unwrap_or_else(Labels::current));
        span.extensions_mut().replace(OfSpan(labels));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let _busy = thread::busy();
        let Some(span) = context.span(id) else { return };
        let mut chosen = self.chosen();
        values.record(&mut chosen);
        let before = of_span(&span).unwrap_or_default();
        span.extensions_mut().replace(OfSpan(chosen.beside(before)));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let _busy = thread::busy();
        let labels = context.span(id).and_then(|span| of_span(&span));
        let Some(labels) = labels else { return };
        // Not where the thread has ended already.
        let _ = ENTERED.try_with(|entered| {
            entered
                .borrow_mut()
                .push((id.clone(), labels.put_in_force()));
        });
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let _busy = thread::busy();
        let _ = ENTERED.try_with(|entered| leave(&mut entered.borrow_mut(), id));
    }
}

/// Mostly the innermost. If it is not, the one inside it takes over what was before.
fn leave(entered: &mut Vec<(Id, Labels)>, id: &Id) {
    let Some(position) = entered.iter().rposition(|(known, _)| known == id) else {
        return;
    };
    let (_, before) = entered.remove(position);
    match entered.get_mut(position) {
        None => {
            before.put_in_force();
        }
        Some((_, before_inner)) => *before_inner = before,
    }
}

fn of_span<'a, S: LookupSpan<'a>>(
    span: &tracing_subscriber::registry::SpanRef<'a, S>,
) -> Option<Labels> {
    span.extensions().get::<OfSpan>().map(|labels| labels.0)
}

/// The fields that are wanted, as text.
struct Chosen<'a> {
    fields: &'a [String],
    labels: Vec<(&'static str, String)>,
}

impl Chosen<'_> {
    fn beside(self, labels: Labels) -> Labels {
        if self.labels.is_empty() {
            labels
        } else {
            labels.with(self.labels)
        }
    }

    fn is_wanted(&self, field: &Field) -> bool {
        self.fields.iter().any(|name| name == field.name())
    }
}

impl Visit for Chosen<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.is_wanted(field) {
            self.labels.push((field.name(), value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.is_wanted(field) {
            let mut text = String::new();
            // Writing to a string cannot fail; a value that does is left as far as it came.
            let _ = write!(text, "{value:?}");
            self.labels.push((field.name(), text));
        }
    }
}
