#![forbid(unsafe_code)]
//! Who may ask: whoever knows the token.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// A secret that requests have to carry. It is not printed.
#[derive(Clone)]
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    pub(super) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Whether a request carries it, as `Authorization: Bearer`, or as user or
    /// password of `Authorization: Basic`. An empty one is carried by none.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()) else {
            return false;
        };
        let Some((scheme, credentials)) = value.split_once(' ') else {
            return false;
        };
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("Bearer") {
            self.is(credentials.as_bytes())
        } else if scheme.eq_ignore_ascii_case("Basic") {
            let decoded = BASE64_STANDARD.decode(credentials).unwrap_or_default();
            let colon = decoded.iter().position(|&byte| byte == b':');
            let (user, password) = decoded.split_at(colon.unwrap_or(decoded.len()));
            let password = password.strip_prefix(b":").unwrap_or_default();
            // Both in any case, so that time does not tell which it was.
            self.is(user) | self.is(password)
        } else {
            false
        }
    }

    /// Takes as long whatever the first difference is.
    fn is(&self, other: &[u8]) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(secret: &str, authorization: &str) -> bool {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())]);
        Token::new(secret.into()).is_in(&headers)
    }

    #[test]
    fn bearer_and_basic() {
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        assert!(accepts("s3cret", "Bearer s3cret"));
        assert!(accepts("s3cret", "bearer  s3cret"));
        assert!(accepts("s3cret", &basic("x:s3cret")));
        assert!(accepts("s3cret", &basic("s3cret:")));
        assert!(accepts("s3cret", &basic("s3cret")));
        assert!(accepts("a:b", &basic("x:a:b")));
        for wrong in [
            "Bearer S3CRET",
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer",
            "s3cret",
            "Digest s3cret",
            "Basic s3cret",
        ] {
            assert!(!accepts("s3cret", wrong), "{wrong}");
        }
        assert!(!accepts("s3cret", &basic("x:y")));
        assert!(!Token::new("s3cret".into()).is_in(&HeaderMap::new()));
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        assert!(!accepts("", "Bearer "));
        assert!(!accepts("", "Basic Og=="));
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new("s3cret".into())), "Token(..)");
    }
}
