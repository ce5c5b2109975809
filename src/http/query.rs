#![forbid(unsafe_code)]
//! Parameters, read as Go reads them.

use std::num::IntErrorKind;

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query<'a>(&'a str);

/// Why a number of seconds is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPositive;

impl<'a> Query<'a> {
    /// Of what is behind the question mark.
    pub(super) fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// `seconds`: nothing if it is missing or empty.
    pub(super) fn seconds(&self) -> Option<Result<u64, NotPositive>> {
        let text = self.first("seconds")?;
        let seconds = text.parse::<i64>().ok().and_then(|n| u64::try_from(n).ok());
        Some(seconds.filter(|&seconds| seconds > 0).ok_or(NotPositive))
    }

    /// `debug`: what is no number is 0, what is too large as large as can be.
    pub(super) fn debug(&self) -> i64 {
        let text = self.first("debug").unwrap_or_default();
        match text.parse::<i64>() {
            Ok(number) => number,
            Err(error) => match error.kind() {
                IntErrorKind::PosOverflow => i64::MAX,
                IntErrorKind::NegOverflow => i64::MIN,
                _ => 0,
            },
        }
    }

    /// The first value of that name, if it is not empty.
    pub(super) fn first(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.0.as_bytes());
        let (_, value) = pairs.find(|(key, _)| key == name)?;
        (!value.is_empty()).then(|| value.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(query: &str) -> Option<Result<u64, NotPositive>> {
        Query::new(Some(query)).seconds()
    }

    fn debug(query: &str) -> i64 {
        Query::new(Some(query)).debug()
    }

    #[test]
    fn seconds_are_whole_and_positive() {
        assert_eq!(seconds("seconds=5"), Some(Ok(5)));
        assert_eq!(seconds("a=b&second%73=%35"), Some(Ok(5)));
        assert_eq!(seconds("seconds=1&seconds=x"), Some(Ok(1)));
        for absent in ["", "seconds", "seconds=", "Seconds=3", "seconds=&seconds=3"] {
            assert_eq!(seconds(absent), None, "{absent}");
        }
        for wrong in ["0", "-1", "x", "1.5", "+", " 1", "99999999999999999999"] {
            let query = format!("seconds={}", wrong.replace('+', "%2B"));
            assert_eq!(seconds(&query), Some(Err(NotPositive)), "{wrong}");
        }
    }

    #[test]
    fn debug_is_0_unless_it_is_a_number() {
        assert_eq!(Query::new(None).debug(), 0);
        for (query, number) in [
            ("debug=2", 2),
            ("debug=-1", -1),
            ("debug=x", 0),
            ("debug=1x", 0),
            ("debug=99999999999999999999", i64::MAX),
        ] {
            assert_eq!(debug(query), number, "{query}");
        }
    }
}
