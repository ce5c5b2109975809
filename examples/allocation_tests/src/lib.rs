//! A small library whose tests say what it may allocate: see `tests/allocations.rs`.

/// A line of a query string, `key=value`.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// What stands before the first `=`.
    pub key: &'a str,
    /// What stands behind it; nothing without one.
    pub value: &'a str,
}

/// The pairs of a query such as `a=1&b=2`, borrowed from it: one allocation for the
/// vector, however many there are.
pub fn parse(query: &str) -> Vec<Pair<'_>> {
    let mut pairs = Vec::with_capacity(query.split('&').count());
    pairs.extend(query.split('&').map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Pair { key, value }
    }));
    pairs
}

/// The same with the strings copied, as it is often written: two allocations for each
/// pair, and the vector grows as they come.
pub fn parse_owned(query: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((key.to_owned(), value.to_owned()));
    }
    pairs
}

/// Remembers every query it has seen, and forgets none.
#[derive(Debug, Default)]
pub struct Seen {
    queries: Vec<String>,
}

impl Seen {
    /// Is this query new?
    pub fn note(&mut self, query: &str) -> bool {
        let is_new = !self.queries.iter().any(|seen| seen == query);
        if is_new {
            self.queries.push(query.to_owned());
        }
        is_new
    }
}
