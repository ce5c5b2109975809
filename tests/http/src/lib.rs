//! What the HTTP tests share: a client that sends what it is told to.

pub mod client;

pub use client::{Answer, Client};
