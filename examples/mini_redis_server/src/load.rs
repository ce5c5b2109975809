//! A server, and a load that leaves the same bytes behind every time.

use std::time::Duration;

use bytes::Bytes;
use mini_redis::{client, server};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Result;

const CONNECTIONS: usize = 12;
const KEYS: usize = 120_000;
const CHANNELS: usize = 1_000;

/// Serves on the loopback interface, puts the load on, and calls `inspect` while
/// the server holds it.
pub(crate) fn under_load(inspect: impl FnOnce() -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(server::run(listener, std::future::pending::<()>()));

        // Each channel has a ring of 1,024 messages from the start. The server
        // keeps it as long as it runs.
        let channels = (0..CHANNELS)
            .map(|channel| format!("channel:{channel}"))
            .collect();
        let subscriber = client::connect(&address).await?.subscribe(channels).await?;

        let mut clients = JoinSet::new();
        for connection in 0..CONNECTIONS {
            clients.spawn(store_keys(address.clone(), connection));
        }
        while let Some(stored) = clients.join_next().await {
            stored??;
        }

        // The server lets go of a connection's buffers when it sees the end of it,
        // which is soon, but not at once.
        tokio::time::sleep(Duration::from_millis(500)).await;
        inspect()?;
        drop(subscriber);
        Ok(())
    })
}

/// Stores every `CONNECTIONS`th key.
async fn store_keys(address: String, connection: usize) -> Result<()> {
    let mut client = client::connect(address).await?;
    let zeros = Bytes::from(vec![0; 1 << 20]);
    for key in (connection..KEYS).step_by(CONNECTIONS) {
        let name = format!("tenant:{:05}/object:{key:010}", key % 1000);
        client.set(&name, zeros.slice(..value_bytes(key))).await?;
    }
    Ok(())
}

/// Sizes as stores see them: most values are small, most bytes are in large ones.
fn value_bytes(key: usize) -> usize {
    match key % 1024 {
        0..2 => 1 << 20,
        2..6 => 128 << 10,
        6..134 => 4 << 10,
        small => 100 + small,
    }
}
