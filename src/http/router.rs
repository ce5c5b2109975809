#![forbid(unsafe_code)]
//! For programs that have a server on axum.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Request};
use axum::http::Response;
use axum::routing::any;

use super::respond::{MAX_BODY_BYTES, body_too_large};
use super::{Cancellation, Pprof, work};

impl Pprof {
    /// The routes, to merge or nest in a server that there is already. Answers are
    /// made on tokio's blocking threads.
    ///
    /// The server is reached by whoever reaches it: see the module's [guards] for
    /// what is left to it.
    ///
    /// ```no_run
    /// use axum::Router;
    /// use heapprof::http::Pprof;
    ///
    /// let pprof = Pprof::new().token("a long and random one");
    /// let app: Router = Router::new().nest("/internal", pprof.router());
    /// // GET /internal/debug/pprof/heap
    /// ```
    ///
    /// [guards]: super#guards
    pub fn router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let handler = any(move |OriginalUri(uri): OriginalUri, mut request: Request| {
            // Below another router, the request itself has a part of it only.
            *request.uri_mut() = uri;
            answer(self.clone(), request)
        });
        Router::new()
            .route("/debug/pprof", handler.clone())
            .route("/debug/pprof/", handler.clone())
            .route("/debug/pprof/{*name}", handler)
    }
}

async fn answer(pprof: Pprof, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let answer = match to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => {
            let request = Request::from_parts(parts, body);
            work::answer(pprof, request, Cancellation::default(), None).await
        }
        Err(_) => body_too_large(),
    };
    answer.map(Body::from)
}
