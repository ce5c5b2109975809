//! Plays a cloud: has so many images, the same ones every time, and gives ids to
//! what one orders. Real clouds want an account, and change every day.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Path;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use fastrand::Rng;

use crate::Result;
use crate::model::{Disk, Image, Kind, Provider, Tag};

/// Begins to play; the address to ask at.
pub(crate) async fn start(provider: Provider, images: usize) -> Result<String> {
    static ORDERS: AtomicU64 = AtomicU64::new(1);
    let order = async |Path(kind): Path<Kind>| {
        let number = ORDERS.fetch_add(1, Ordering::Relaxed);
        Json(format!("{kind}-{number:017x}"))
    };
    let app = Router::new()
        .route("/image", get(async move || Json(all(provider, images))))
        .route("/{kind}", post(order))
        .route("/{kind}/{id}", delete(async || ()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}

fn all(provider: Provider, images: usize) -> Vec<Image> {
    let mut random = Rng::with_seed(provider as u64);
    (0..images).map(|_| image(provider, &mut random)).collect()
}

fn image(provider: Provider, random: &mut Rng) -> Image {
    let systems = [
        "ubuntu-24.04",
        "debian-13",
        "rhel-10",
        "windows-2025",
        "suse-16",
    ];
    let uses = [
        "server",
        "minimal",
        "gpu",
        "kubernetes-node",
        "database",
        "build-agent",
    ];
    let system = pick(random, &systems);
    let purpose = pick(random, &uses);
    let architecture = pick(random, &["x86_64", "arm64"]);
    let day = format!("2026-{:02}-{:02}", random.u8(1..=12), random.u8(1..=28));
    let name = format!(
        "{system}-{purpose}-{architecture}-{day}-{:08x}",
        random.u32(..)
    );
    Image {
        id: format!("img-{:017x}", random.u64(..)),
        description: format!(
            "{system} for {architecture}, prepared as {purpose}; security updates up to {day}, \
             first boot configures network and users, root file system grows with its disk"
        ),
        architecture: architecture.into(),
        platform: if system.starts_with("windows") {
            "windows"
        } else {
            "linux"
        }
        .into(),
        owner: format!("{:012}", random.u64(..1_000_000_000_000)),
        location: format!("{provider}/public/{purpose}/{name}.manifest.xml"),
        created: format!("{day}T{:02}:{:02}:00Z", random.u8(..24), random.u8(..60)),
        disks: (0..random.u8(1..=3))
            .map(|disk| disk_of(disk, random))
            .collect(),
        tags: [
            ("os", system),
            ("use", purpose),
            ("tested", "yes"),
            ("support", "standard"),
        ]
        .map(|(key, value)| Tag {
            key: key.into(),
            value: value.into(),
        })
        .into(),
        name,
    }
}

fn disk_of(disk: u8, random: &mut Rng) -> Disk {
    Disk {
        device: format!("/dev/sd{}", char::from(b'a' + disk)),
        snapshot: format!("snap-{:017x}", random.u64(..)),
        gigabytes: 8 << random.u32(..6),
    }
}

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}
