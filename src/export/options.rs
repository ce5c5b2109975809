#![forbid(unsafe_code)]
//! What a profile shows first, and how much it says about its addresses.

/// Which question a profile answers first. Every profile carries what was
/// allocated and what is, or was, in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum View {
    /// What holds memory now.
    #[default]
    InUse,
    /// What has allocated memory since the program's start, freed or not.
    Allocs,
    /// What held memory when the program held most altogether, since its start or
    /// the last [`reset_peak`](crate::reset_peak). Figures in use are those of that
    /// moment, figures of what was allocated those of now.
    Peak,
}

/// How addresses are turned into names.
///
/// Without the crate's feature `symbolize`, every choice is [`None`](Self::None).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Symbols {
    /// Functions, files, lines and inlined frames, from debug information; names
    /// alone where there is none. Reads the debug information of every address
    /// not seen before: milliseconds to half a second for a large binary, and a
    /// few MB that are given back when the profile is written. Compressed debug
    /// information has to be unpacked meanwhile; where that would take more than
    /// 48 MiB, there are names alone.
    #[default]
    Full,
    /// Function names from the symbol tables: no files, lines or inlined frames.
    /// Takes milliseconds, and next to no memory.
    Names,
    /// Addresses and build ids: names are looked up by the reader, with the binary
    /// at hand. The standalone `pprof` does it well; `go tool pprof` reads no Rust
    /// debug information and shows bare names.
    None,
}

/// How [`Snapshot::write_pprof`](crate::Snapshot::write_pprof) writes a profile.
///
/// ```
/// use heapprof::{PprofOptions, Symbols, View};
///
/// let options = PprofOptions::default().view(View::Allocs).symbols(Symbols::Names);
/// assert_eq!(options.view, View::Allocs);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PprofOptions {
    /// What `go tool pprof` shows when it is not told otherwise.
    pub view: View,
    /// How addresses are turned into names.
    pub symbols: Symbols,
}

impl PprofOptions {
    /// The same with another view.
    #[must_use]
    pub fn view(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// The same with another way to name addresses.
    #[must_use]
    pub fn symbols(self, symbols: Symbols) -> Self {
        Self { symbols, ..self }
    }
}
