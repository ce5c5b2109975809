//! What the tests in a browser share: the program whose profiles are looked at is in
//! `src/bin`.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program under way that ends with its input.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    /// Where its index page is.
    pub address: String,
}

impl Subject {
    /// Starts it, and waits for its address.
    pub fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut address = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut address)
            .expect("it prints its address");
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }

    /// Ends it; it has to succeed.
    pub fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("it ends").success());
    }
}

/// A script of this folder.
pub fn node(script: &str) -> Command {
    for variable in ["BROWSER", "BROWSER_TOOLS"] {
        assert!(
            env::var_os(variable).is_some(),
            "{variable} is not set: cargo xtask test installs what is needed"
        );
    }
    let mut node = Command::new("node");
    node.arg(root().join(script));
    node
}

/// This folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
