//! Drives the server: a few connections, each with one request under way at a
//! time, as fast as answers come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_millis(300);
const BATCHES: usize = 7;
const BATCH_TIME: Duration = Duration::from_millis(250);

/// What driving a server gave.
#[derive(Debug)]
pub(crate) struct Driven {
    /// Nanoseconds per request of each batch, by the clock.
    pub(crate) ns: Vec<f64>,
    pub(crate) requests: usize,
    pub(crate) latencies: Latencies,
}

/// From sending a request to having its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

pub(crate) fn drive(server: SocketAddr) -> Result<Driven> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(server).await?);
        }
        let (mut requests, _) = batch(&mut connections, WARM_UP).await?;
        let mut ns = Vec::new();
        let mut took = Vec::new();
        for _ in 0..BATCHES {
            let (done, elapsed) = batch(&mut connections, BATCH_TIME).await?;
            requests += done;
            ns.push(elapsed.as_secs_f64() * 1e9 / done as f64);
            for connection in &mut connections {
                took.append(&mut connection.took);
            }
        }
        took.sort_unstable();
        let quantile = |q: f64| took[(q * (took.len() - 1) as f64) as usize].as_secs_f64() * 1e6;
        Ok(Driven {
            ns,
            requests,
            latencies: Latencies {
                p50_us: quantile(0.5),
                p99_us: quantile(0.99),
            },
        })
    })
}

/// All connections at work for so long; how many requests they made, and how long
/// it took.
async fn batch(connections: &mut Vec<Connection>, time: Duration) -> Result<(usize, Duration)> {
    let start = Instant::now();
    let mut at_work = JoinSet::new();
    for connection in connections.drain(..) {
        at_work.spawn(connection.work_until(start + time));
    }
    for connection in at_work.join_all().await {
        connections.push(connection?);
    }
    let done = connections
        .iter()
        .map(|connection| connection.took.len())
        .sum();
    Ok((done, start.elapsed()))
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    made: u64,
    /// How long each request of the batch took.
    took: Vec<Duration>,
}

impl Connection {
    async fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with an error if the server goes first, which the sender notices.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self {
            sender,
            made: 0,
            took: Vec::new(),
        })
    }

    async fn work_until(mut self, end: Instant) -> Result<Self> {
        self.took.clear();
        while Instant::now() < end {
            let start = Instant::now();
            self.request().await?;
            self.took.push(start.elapsed());
        }
        Ok(self)
    }

    /// Three orders, then a look at an early one.
    async fn request(&mut self) -> Result {
        self.made += 1;
        let (method, path, body) = if self.made.is_multiple_of(4) {
            (Method::GET, "/orders/1", Bytes::new())
        } else {
            (Method::POST, "/orders", order(self.made))
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        let is_gone = status == StatusCode::NOT_FOUND && path == "/orders/1";
        if !(status == StatusCode::OK && !answer.is_empty() || is_gone) {
            return Err(format!("{path}: {status}").into());
        }
        Ok(())
    }
}

fn order(number: u64) -> Bytes {
    let lines: Vec<_> = (0..12)
        .map(|line| {
            format!(
                r#"{{"article":"Article-{}","quantity":{},"price_cents":{}}}"#,
                (number * 7 + line) % 1_000,
                line + 1,
                number % 997 * 10
            )
        })
        .collect();
    let order = format!(
        r#"{{"customer":"customer-{number}","note":"leave it \"at the door\"","lines":[{}]}}"#,
        lines.join(",")
    );
    order.into()
}
