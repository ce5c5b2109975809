//! What the HTTP tests share: a client that sends what it is told to, and a browser.

pub mod client;

pub use client::{Answer, Client};
