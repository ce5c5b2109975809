//! A service that keeps an inventory of what somebody has at two clouds, and nine
//! steps that show what heapprof tells about it. docs/WALKTHROUGH.md goes through
//! them, with pictures.
//!
//!     cargo run --release -p cloud_inventory
//!
//! plays the nine steps: it starts the service as a process of its own, asks it over
//! HTTP for what a user would ask, and takes a profile after each step. It ends with
//! an error unless the third step's memory belongs to the list of images, and is gone
//! in the end.

mod at_exit;
mod images;
mod model;
mod nine_steps;
mod owners;
mod pictures;
mod service;
mod stand_in;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use nine_steps::NineSteps;

// All that it takes to have profiles; `service.rs` serves them. Estimates of a heap of
// some 20 MiB would be good to 5 MiB at the usual 512 KiB between samples.
#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(64 * 1024);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
cloud_inventory [--folder FOLDER] [--short] [--drop-page-cache] [--wait]
    plays the nine steps; profiles and pictures go into FOLDER (target/nine-steps)
    --short             a shorter list for steps 4 to 6, one picture instead of nine
    --drop-page-cache   step 8 drops the page cache, which is the whole machine's
    --wait              waits before step 9, for somebody who wants to look around
cloud_inventory serve AWS-URL AZURE-URL FOLDER
    is the service; when it is told to stop (SIGTERM), its stages go into FOLDER";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    use lexopt::prelude::*;

    let mut steps = NineSteps {
        folder: PathBuf::from("target/nine-steps"),
        is_short: false,
        drops_page_cache: false,
        waits: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(command) if command == "serve" => {
                let mut next = || arguments.value()?.string();
                let (aws, azure, folder) = (next()?, next()?, next()?);
                return service::run(aws, azure, folder.into());
            }
            Long("folder") => steps.folder = arguments.value()?.into(),
            Long("short") => steps.is_short = true,
            Long("drop-page-cache") => steps.drops_page_cache = true,
            Long("wait") => steps.waits = true,
            Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(format!("{}\n{USAGE}", argument.unexpected()).into()),
        }
    }
    tokio::runtime::Runtime::new()?.block_on(steps.play())
}
