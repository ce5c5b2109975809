//! The service: what one has at two clouds, and what could be had there.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use heapprof::http::Pprof;
use tokio::signal::unix::{SignalKind, signal};

use crate::images::{self, Listing};
use crate::model::{Kind, Provider, Resource};
use crate::{Result, at_exit};

/// What the service keeps.
pub(crate) struct Inventory {
    pub(crate) client: reqwest::Client,
    aws: String,
    azure: String,
    resources: Mutex<Vec<Resource>>,
    listing: Mutex<Option<Listing>>,
}

/// Serves until it is told to stop.
#[tokio::main]
pub(crate) async fn run(aws: String, azure: String, folder: PathBuf) -> Result<()> {
    let inventory = Arc::new(Inventory {
        client: reqwest::Client::new(),
        aws,
        azure,
        resources: Mutex::default(),
        listing: Mutex::default(),
    });
    let app = Router::new()
        .route("/", get(all).delete(delete_all))
        .route("/{provider}/{kind}", post(order))
        .route("/{provider}/image", get(images::list))
        .route("/image", get(images::again))
        .route("/image/{id}", get(images::show))
        .with_state(inventory)
        // Profiles, and marking stages, for everyone who can reach the service.
        .merge(Pprof::new().accept_stages().router());

    // Should it end in another way than it is meant to, there is a profile all the same.
    let _at_exit = heapprof::triggers().at_exit().folder(&folder).start()?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let mut told_to_stop = signal(SignalKind::terminate())?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            told_to_stop.recv().await;
        })
        .await?;

    heapprof::stage("[9] server stopped")?;
    at_exit::write_stages(&folder)
}

impl Inventory {
    /// Where to ask a cloud.
    pub(crate) fn url(&self, provider: Provider) -> &str {
        match provider {
            Provider::Aws => &self.aws,
            Provider::Azure => &self.azure,
        }
    }

    pub(crate) fn listing(&self) -> MutexGuard<'_, Option<Listing>> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resources(&self) -> MutexGuard<'_, Vec<Resource>> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /`
async fn all(State(inventory): State<Arc<Inventory>>) -> Json<Vec<Resource>> {
    Json(inventory.resources().clone())
}

/// `POST /aws/vm`, with a name.
async fn order(
    State(inventory): State<Arc<Inventory>>,
    Path((provider, kind)): Path<(Provider, Kind)>,
    name: String,
) -> std::result::Result<Json<Resource>, Failure> {
    let url = format!("{}/{kind}", inventory.url(provider));
    let answer = inventory.client.post(url).send().await?;
    let resource = Resource {
        provider,
        kind,
        name,
        id: answer.error_for_status()?.json().await?,
    };
    inventory.resources().push(resource.clone());
    Ok(Json(resource))
}

/// `DELETE /`: gives everything back to the clouds, and forgets the list of images.
async fn delete_all(State(inventory): State<Arc<Inventory>>) -> std::result::Result<(), Failure> {
    *inventory.listing() = None;
    let resources = std::mem::take(&mut *inventory.resources());
    for Resource {
        provider, kind, id, ..
    } in resources
    {
        let url = format!("{}/{kind}/{id}", inventory.url(provider));
        inventory
            .client
            .delete(url)
            .send()
            .await?
            .error_for_status()?;
    }
    Ok(())
}

/// A cloud did not do as it was asked.
pub(crate) struct Failure(Box<dyn std::error::Error>);

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, self.0.to_string()).into_response()
    }
}
