//! A server at work.

use std::time::Duration;

use bytes::Bytes;
use mini_redis::{client, server};
use regex::Regex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Result;

const CONNECTIONS: usize = 8;
const KEYS: usize = 400;

/// Serves keys and channels on the loopback interface with every allocation
/// taken as a sample, and leaves the memory in use.
pub(crate) fn run() -> Result<()> {
    heapprof::set_sample_interval(1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(server::run(listener, std::future::pending::<()>()));

        let mut clients = JoinSet::new();
        for connection in 0..CONNECTIONS {
            clients.spawn(talk(address.clone(), connection));
        }
        while let Some(done) = clients.join_next().await {
            done??;
        }
        Result::Ok(())
    })?;
    heapprof::set_sample_interval(0)?;
    // What the server holds is to be in the dump.
    std::mem::forget(runtime);
    Ok(())
}

async fn talk(address: String, connection: usize) -> Result<()> {
    let mut subscriber = client::connect(&address)
        .await?
        .subscribe(vec![format!("channel:{connection}")])
        .await?;
    let mut client = client::connect(&address).await?;
    let number = Regex::new(r"(?i)^key:(?<number>\d+)$")?;
    for key in (connection..KEYS).step_by(CONNECTIONS) {
        let name = format!("key:{key}");
        let document = json!({"name": name, "sizes": [key, 1.5], "more": {"text": null}});
        let value = Bytes::from(serde_json::to_vec_pretty(&document)?);
        client.set(&name, value.clone()).await?;
        client
            .set_expires(&format!("{name}:soon"), value, Duration::from_secs(600))
            .await?;
        let stored = client.get(&name).await?.ok_or("stored and gone")?;
        let document: Value = serde_json::from_slice(&stored)?;
        if !number.is_match(document["name"].as_str().unwrap_or_default()) {
            return Err("another name came back".into());
        }
    }
    client
        .publish(&format!("channel:{connection}"), "done".into())
        .await?;
    subscriber.next_message().await?;
    Ok(())
}
