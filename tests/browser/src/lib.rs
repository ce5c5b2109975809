//! Nothing: the program is in `src/bin`, the tests in `tests`.
