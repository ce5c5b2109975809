#![forbid(unsafe_code)]
//! Where a request comes from, and whom it believes to ask: what browsers say of
//! themselves. Other clients can say anything, and are kept out by tokens.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::{Authority, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Names that a request may ask for, beside those of the machine itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    /// Host names, or host and port; lower case.
    allowed: Vec<String>,
    /// On a loopback address they are checked even when none is listed.
    pub(super) are_checked: bool,
}

impl Hosts {
    pub(super) fn allow(&mut self, host: &str) {
        self.allowed.push(host.to_ascii_lowercase());
        self.are_checked = true;
    }

    /// Whether everything that names the host names one of ours. A page of
    /// `evil.example` whose name has come to mean 127.0.0.1 asks for
    /// `evil.example` all the same.
    pub(super) fn accept(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        if !self.are_checked {
            return true;
        }
        let mut hosts = headers.get_all(HOST).iter().peekable();
        let target = uri.authority();
        (target.is_some() || hosts.peek().is_some())
            && target.is_none_or(|host| self.is_ours(host.as_str()))
            && hosts.all(|host| host.to_str().is_ok_and(|host| self.is_ours(host)))
    }

    fn is_ours(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        let is_allowed = |allowed: &String| {
            allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host)
        };
        !host.contains('@') && (is_loopback(name) || self.allowed.iter().any(is_allowed))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a browser sent this for a page of somebody else: another site, or
/// another port of this machine.
pub(super) fn is_foreign(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str());
    if let Some(site) = text(&SEC_FETCH_SITE) {
        return !matches!(site, Ok("same-origin" | "none"));
    }
    // Browsers leave the other header out on plain HTTP, except to this machine.
    let Some(origin) = text(&ORIGIN) else {
        return false;
    };
    let host = match uri.authority() {
        Some(target) => Some(target.as_str()),
        None => text(&HOST).and_then(Result::ok),
    };
    let origin = origin.ok().and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(target: &str, headers: &[(&str, &str)]) -> (Uri, HeaderMap) {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        (parts.uri, parts.headers)
    }

    fn accepts(hosts: &Hosts, target: &str, headers: &[(&str, &str)]) -> bool {
        let (uri, headers) = request(target, headers);
        hosts.accept(&uri, &headers)
    }

    fn foreign(headers: &[(&str, &str)]) -> bool {
        let (uri, headers) = request("/", headers);
        is_foreign(&uri, &headers)
    }

    #[test]
    fn hosts_are_this_machine_and_those_listed() {
        let mut hosts = Hosts {
            are_checked: true,
            ..Hosts::default()
        };
        hosts.allow("Debug.Example");
        hosts.allow("other.example:8282");
        let accepts = |host: &str| accepts(&hosts, "/", &[("host", host)]);
        for ours in [
            "localhost",
            "LOCALHOST:8282",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8282",
            "[::ffff:127.0.0.1]",
            "debug.example",
            "DEBUG.example:99",
            "other.example:8282",
        ] {
            assert!(accepts(ours), "{ours}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "x@localhost",
            "10.0.0.1",
            "other.example",
            "other.example:8283",
            "[::2]",
            "0.0.0.0",
            "localhost:8282:8282",
        ] {
            assert!(!accepts(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_name_counts() {
        let hosts = Hosts {
            are_checked: true,
            ..Hosts::default()
        };
        let (ours, foreign) = (("host", "localhost"), ("host", "evil.example"));
        assert!(!accepts(&hosts, "/", &[]));
        assert!(!accepts(&hosts, "/", &[ours, foreign]));
        assert!(!accepts(&hosts, "/", &[foreign, ours]));
        assert!(!accepts(&hosts, "http://evil.example/", &[ours]));
        assert!(accepts(&hosts, "http://localhost:1/", &[]));
        assert!(accepts(&Hosts::default(), "/", &[foreign]));
    }

    #[test]
    fn pages_of_others_are_foreign() {
        let host = ("host", "localhost:8282");
        let site = |site| foreign(&[host, ("sec-fetch-site", site)]);
        assert!(!site("none") && !site("same-origin"));
        assert!(site("cross-site") && site("same-site") && site("") && site("é"));

        let origin = |origin| foreign(&[host, ("origin", origin)]);
        assert!(!origin("http://localhost:8282") && !origin("https://LOCALHOST:8282"));
        for foreign in ["http://localhost:3000", "http://evil.example", "null", ""] {
            assert!(origin(foreign), "{foreign}");
        }
        assert!(!foreign(&[host]));
        assert!(foreign(&[("origin", "http://a.example")]));
    }
}
