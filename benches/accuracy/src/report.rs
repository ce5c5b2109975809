//! Findings at rest, and as tables in `docs/ACCURACY.md`.
