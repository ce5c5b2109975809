#![forbid(unsafe_code)]
//! What is served, to whom, and how much of it.

use std::sync::Arc;

use super::limits::Limit;
use super::origin::Hosts;
use super::token::Token;
use super::ui::Ui;

/// `seconds` is at most this, unless chosen otherwise.
const MAX_SECONDS: u64 = 300;

/// Answers at a time, and of those that last `seconds`.
const ANSWERS: usize = 8;
const DELTAS: usize = 4;

/// `/debug/pprof`: what it shows, and to whom.
///
/// A value is cheap to clone; clones share the limits on what is done at a time, and
/// what the page remembers: the last minutes, and two snapshots.
///
/// ```
/// use heapprof::http::Pprof;
///
/// let pprof = Pprof::new().show_command_line(false).max_seconds(60);
/// ```
#[derive(Clone, Debug)]
pub struct Pprof {
    pub(super) shows_command_line: bool,
    pub(super) accepts_stages: bool,
    pub(super) token: Option<Token>,
    pub(super) hosts: Hosts,
    pub(super) max_seconds: u64,
    pub(super) listens_beyond_loopback: bool,
    pub(super) limits: Arc<Limits>,
    pub(super) ui: Arc<Ui>,
}

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) answers: Limit,
    pub(super) deltas: Limit,
}

impl Default for Pprof {
    fn default() -> Self {
        Self::new()
    }
}

impl Pprof {
    /// Everything is shown, to everyone who can reach it.
    pub fn new() -> Self {
        Self {
            shows_command_line: true,
            accepts_stages: false,
            token: None,
            hosts: Hosts::default(),
            max_seconds: MAX_SECONDS,
            listens_beyond_loopback: false,
            limits: Arc::new(Limits {
                answers: Limit::new(ANSWERS),
                deltas: Limit::new(DELTAS),
            }),
            ui: Arc::default(),
        }
    }

    /// Whether `cmdline` tells the program's arguments. They may hold secrets.
    #[must_use]
    pub fn show_command_line(self, shows: bool) -> Self {
        Self {
            shows_command_line: shows,
            ..self
        }
    }

    /// Lets `POST /debug/pprof/stages` mark a [stage](crate::stage()), whose name is the
    /// form field `name`. Otherwise the program alone marks stages; the list of them
    /// can be read in any case.
    #[must_use]
    pub fn accept_stages(self) -> Self {
        Self {
            accepts_stages: true,
            ..self
        }
    }

    /// Answers only requests that carry this secret: as `Authorization: Bearer
    /// TOKEN`, or as password or user name of `Authorization: Basic`, so that
    /// `go tool pprof http://x:TOKEN@host/debug/pprof/heap` works. Never in the
    /// query, which servers and browsers write down. An empty token is carried by
    /// no request.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        Self {
            token: Some(Token::new(token.into())),
            ..self
        }
    }

    /// Answers requests that name this host, `"debug.example"` or
    /// `"debug.example:8282"`, in their `Host` header, those that name
    /// `localhost` or a loopback address, and no others. Call it again for more.
    ///
    /// Without it, [`serve`](Self::serve) on a loopback address answers the latter
    /// alone, and everything else answers any.
    #[must_use]
    pub fn allow_host(mut self, host: &str) -> Self {
        self.hosts.allow(host);
        self
    }

    /// How long a profile over a time may take: 300 seconds unless chosen here.
    /// A request for more is refused with 400 and the limit.
    #[must_use]
    pub fn max_seconds(self, seconds: u64) -> Self {
        Self {
            max_seconds: seconds,
            ..self
        }
    }

    /// Lets [`serve`](Self::serve) listen on addresses that other machines can
    /// reach. Profiles tell a lot about a program; a [`token`](Self::token) does
    /// not hide what goes over the wire, which is not encrypted.
    #[must_use]
    pub fn listen_beyond_loopback(self) -> Self {
        Self {
            listens_beyond_loopback: true,
            ..self
        }
    }
}
