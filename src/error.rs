#![forbid(unsafe_code)]
//! What can go wrong, in words that name the mend.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a profile could not be taken or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No [`Alloc`](crate::Alloc) is this program's global allocator.
    NotRegistered,
    /// A sample interval beyond `isize::MAX` bytes.
    InvalidInterval(u64),
    /// A file could not be written. An earlier file at `path` is untouched.
    Io {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// An address to serve at can be reached by other machines, and nobody said that
    /// this is meant.
    #[cfg(feature = "http")]
    BeyondLoopback(std::net::SocketAddr),
    /// An address cannot be served at.
    #[cfg(feature = "http")]
    Serve(io::Error),
    /// Triggers that make no sense, or cannot be started here; in words.
    Trigger(String),
    /// A dump was asked for on a signal that the program handles or ignores.
    SignalInUse(i32),
    /// What was to be symbolized is no heap profile of heapprof's; in words.
    NotAProfile(&'static str),
    /// A writer handed to [`Snapshot::write_pprof`](crate::Snapshot::write_pprof) failed.
    Write(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegistered => f.write_str(
                "heapprof is not this program's global allocator; add to the binary (never to a library):\n\
                 \x20   #[global_allocator]\n\
                 \x20   static ALLOC: heapprof::Alloc = heapprof::Alloc::system();",
            ),
            Self::InvalidInterval(bytes) => write!(
                f,
                "a sample interval of {bytes} bytes is beyond isize::MAX; \
                 use 0 for off, 1 for every allocation, or a number of bytes such as 524288"
            ),
            Self::Io { path, source } => {
                write!(f, "cannot write the profile to {}: {source}", path.display())
            }
            #[cfg(feature = "http")]
            Self::BeyondLoopback(address) => write!(
                f,
                "other machines can reach {address}, and profiles tell a lot about a program; \
                 serve at 127.0.0.1, or say that it is meant: \
                 heapprof::http::Pprof::new().listen_beyond_loopback()"
            ),
            #[cfg(feature = "http")]
            Self::Serve(source) => write!(f, "cannot serve /debug/pprof: {source}"),
            Self::Trigger(problem) => write!(f, "no dumps are started: {problem}"),
            Self::SignalInUse(signal) => write!(
                f,
                "no dumps are started: this program already handles or ignores signal {signal}; \
                 choose another, or start them before it does"
            ),
            Self::NotAProfile(problem) => {
                write!(f, "this is no heap profile that heapprof wrote: {problem}")
            }
            Self::Write(source) => write!(f, "cannot write the profile: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Write(source) => Some(source),
            #[cfg(feature = "http")]
            Self::Serve(source) => Some(source),
            #[cfg(feature = "http")]
            Self::BeyondLoopback(_) => None,
            Self::NotRegistered
            | Self::InvalidInterval(_)
            | Self::Trigger(_)
            | Self::NotAProfile(_)
            | Self::SignalInUse(_) => None,
        }
    }
}
