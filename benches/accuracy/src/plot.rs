//! Findings as pictures.
