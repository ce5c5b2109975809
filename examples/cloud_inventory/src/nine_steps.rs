//! The nine steps, played against the service as a user would take them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::model::{Kind, Provider, Resource};
use crate::owners::{self, Stack};
use crate::{Result, pictures, stand_in};

const AWS_IMAGES: usize = 9_465;
const AZURE_IMAGES: usize = 4_200;
const FEW_AZURE_IMAGES: usize = 420;

/// The functions that the list of images is made by.
const IMAGE_LIST: &str = "cloud_inventory::images::";

const MIB: f64 = 1024.0 * 1024.0;

/// How they are played.
pub(crate) struct NineSteps {
    pub(crate) folder: PathBuf,
    pub(crate) is_short: bool,
    pub(crate) drops_page_cache: bool,
    pub(crate) waits: bool,
}

impl NineSteps {
    pub(crate) async fn play(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let azure_images = if self.is_short {
            FEW_AZURE_IMAGES
        } else {
            AZURE_IMAGES
        };
        let aws = stand_in::start(Provider::Aws, AWS_IMAGES).await?;
        let azure = stand_in::start(Provider::Azure, azure_images).await?;
        let service = Service::start(&aws, &azure, &self.folder).await?;

        service.mark(1, "server started").await?;

        for provider in Provider::ALL {
            for kind in Kind::ALL {
                service.order(provider, kind).await?;
            }
        }
        service.mark(2, "a VM at each of two clouds").await?;

        let page = service.list_images(Provider::Aws, AWS_IMAGES).await?;
        service.mark(3, "AWS image list").await?;
        println!(
            "The page with the {AWS_IMAGES} images of AWS has {:.1} MB.",
            page as f64 / 1e6
        );

        for (step, time) in [(4, "first"), (5, "second"), (6, "third")] {
            service.list_images(Provider::Azure, azure_images).await?;
            service
                .mark(step, &format!("Azure image list, {time} time"))
                .await?;
        }

        service.delete_everything().await?;
        service.mark(7, "everything deleted").await?;

        if self.drops_page_cache {
            drop_page_cache()?;
            service.mark(8, "page cache dropped").await?;
        } else {
            println!(
                "Step 8 is skipped: the page cache is the whole machine's. \
                 --drop-page-cache drops it."
            );
            service.mark(8, "(page cache not dropped)").await?;
        }

        if self.waits {
            println!(
                "Look around at {}/debug/pprof/; Enter goes on.",
                service.url
            );
            std::io::stdin().read_line(&mut String::new())?;
        }
        service.stop().await?;
        println!("\n{}", fs::read_to_string(self.folder.join("stages.txt"))?);
        self.draw();
        self.check()
    }

    fn draw(&self) {
        let steps = if self.is_short { 3..=3 } else { 1..=9 };
        for step in steps {
            let picture = self.folder.join(format!("step-{step}.png"));
            if let Err(error) = pictures::draw(&self.profile(step), &picture) {
                println!("No pictures: {error}");
                return;
            }
        }
        println!("Profiles and pictures are in {}.", self.folder.display());
    }

    /// Whether the third step's memory belongs to the list of images, and is gone
    /// once that is deleted.
    fn check(&self) -> Result<()> {
        let stacks = |step| owners::stacks(&fs::read(self.profile(step))?);
        let (before, after, end) = (stacks(2)?, stacks(3)?, stacks(7)?);
        let total = |stacks: &[Stack]| stacks.iter().map(|stack| stack.bytes).sum::<i64>();
        let growth = (total(&after) - total(&before)) as f64;
        let of_list = |stacks: &[Stack]| owners::bytes_through(stacks, IMAGE_LIST) as f64;
        let (owned, left) = (of_list(&after) - of_list(&before), of_list(&end));

        println!(
            "\nStep 3 added {:.1} MiB. Where the image list's were allocated:",
            growth / MIB
        );
        for (chain, bytes) in owners::chains(&after, IMAGE_LIST) {
            println!("  {:5.1} MiB  {chain}", bytes as f64 / MIB);
        }
        println!("After step 7 it has {:.1} MiB.", left / MIB);
        // By far more than the sampling's error, which is 2 MiB.
        if growth < 10.0 * MIB {
            return Err("step 3 should have added more than 10 MiB".into());
        }
        if owned < 0.9 * growth {
            return Err("less than 90 % of what step 3 added belongs to the image list".into());
        }
        if left > 0.05 * owned {
            return Err("more than 5 % of the image list is left after step 7".into());
        }
        println!("As it should be.");
        Ok(())
    }

    fn profile(&self, step: u32) -> PathBuf {
        self.folder.join(format!("step-{step}.pb.gz"))
    }
}

fn drop_page_cache() -> Result<()> {
    let path = "/proc/sys/vm/drop_caches";
    fs::write(path, "1").map_err(|error| format!("{path}: {error}; that takes root").into())
}

/// The service, as a process of its own, and its user.
struct Service {
    process: Child,
    client: reqwest::Client,
    url: String,
}

impl Service {
    async fn start(aws: &str, azure: &str, folder: &Path) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", aws, azure])
            .arg(folder)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the service has no output")?;
        let url = BufReader::new(output).lines().next_line().await?;
        Ok(Self {
            process,
            client: reqwest::Client::new(),
            url: url.ok_or("the service ended at once")?,
        })
    }

    /// Marks a stage: its profile is kept by the service until we want it.
    async fn mark(&self, step: u32, name: &str) -> Result<()> {
        let url = format!("{}/debug/pprof/stages", self.url);
        let form = [("name", format!("[{step}] {name}"))];
        self.client
            .post(&url)
            .query(&form)
            .send()
            .await?
            .error_for_status()?;
        println!("[{step}] {name}");
        Ok(())
    }

    async fn order(&self, provider: Provider, kind: Kind) -> Result<()> {
        let url = format!("{}/{provider}/{kind}", self.url);
        let answer = self
            .client
            .post(url)
            .body(format!("my-{kind}"))
            .send()
            .await?;
        answer.error_for_status()?.json::<Resource>().await?;
        Ok(())
    }

    /// The page's length in bytes.
    async fn list_images(&self, provider: Provider, expected: usize) -> Result<usize> {
        let url = format!("{}/{provider}/image", self.url);
        let answer = self.client.get(url).send().await?.error_for_status()?;
        let page = answer.text().await?;
        let images = page.matches("<tr ").count();
        if images != expected {
            return Err(format!("{provider} lists {images} images instead of {expected}").into());
        }
        Ok(page.len())
    }

    async fn delete_everything(&self) -> Result<()> {
        self.client
            .delete(&self.url)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Tells it to stop, and waits until it has.
    async fn stop(mut self) -> Result<()> {
        let id = self.process.id().ok_or("the service has ended")?;
        Command::new("sh")
            .args(["-c", &format!("kill {id}")])
            .status()
            .await?;
        // It waits for connections that are open, and this is one.
        drop(self.client);
        let status = self.process.wait().await?;
        println!("[9] server stopped");
        if status.success() {
            Ok(())
        } else {
            Err(format!("the service: {status}").into())
        }
    }
}
