//! A small service on axum: it takes orders, keeps the latest, and answers with
//! what it made of them. On one thread, so that what drives it has another core.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::usage::processor_time;

/// Orders kept; older ones make way.
const KEPT: u64 = 10_000;

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Order {
    customer: String,
    note: Option<String>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Line {
    article: String,
    quantity: u32,
    price_cents: u64,
}

#[derive(Debug, Serialize)]
struct Receipt {
    id: u64,
    total_cents: u64,
    articles: Vec<String>,
    order: Order,
}

#[derive(Debug, Default)]
struct Orders {
    latest: u64,
    by_id: BTreeMap<u64, Order>,
}

type Shared = Arc<Mutex<Orders>>;

/// Prints `address` and where it listens, serves until standard input ends, and
/// prints `cpu_ns`, the processor time that serving took.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime can be made");
    let before = processor_time();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        println!("address {address}");
        let router = Router::new()
            .route("/orders", post(take_order))
            .route("/orders/{id}", get(show_order))
            .with_state(Shared::default());
        let until = async {
            let mut rest = Vec::new();
            // An error ends it as well.
            let _ = tokio::io::stdin().read_to_end(&mut rest).await;
        };
        tokio::select! {
            result = async { axum::serve(listener, router).await } => result.expect("it serves"),
            () = until => {}
        }
    });
    println!("cpu_ns {}", (processor_time() - before).as_nanos());
    // Whatever still waits for standard input is not waited for.
    runtime.shutdown_background();
}

async fn take_order(State(orders): State<Shared>, Json(order): Json<Order>) -> Json<Receipt> {
    let total_cents = order
        .lines
        .iter()
        .map(|line| u64::from(line.quantity) * line.price_cents)
        .sum();
    let mut articles: Vec<_> = order
        .lines
        .iter()
        .map(|line| line.article.to_lowercase())
        .collect();
    articles.sort();
    articles.dedup();
    let mut orders = orders.lock().expect("nobody panicked");
    orders.latest += 1;
    let id = orders.latest;
    orders.by_id.insert(id, order.clone());
    orders.by_id.remove(&id.wrapping_sub(KEPT));
    Json(Receipt {
        id,
        total_cents,
        articles,
        order,
    })
}

async fn show_order(
    State(orders): State<Shared>,
    Path(id): Path<u64>,
) -> Result<Json<Order>, StatusCode> {
    let orders = orders.lock().expect("nobody panicked");
    let order = orders.by_id.get(&id).cloned();
    order.map(Json).ok_or(StatusCode::NOT_FOUND)
}
