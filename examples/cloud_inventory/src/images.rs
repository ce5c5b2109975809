//! The list of a cloud's images: fetched, held, shown as a page.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::model::{Image, Provider};
use crate::service::{Failure, Inventory};

/// The list that was looked at last. It is kept, so that looking closer at one of the
/// images does not fetch all of them again.
pub(crate) struct Listing {
    images: Vec<Image>,
    page: Bytes,
}

/// `GET /aws/image`: all images, as a page.
pub(crate) async fn list(
    State(inventory): State<Arc<Inventory>>,
    Path(provider): Path<Provider>,
) -> Result<Html<Bytes>, Failure> {
    let url = format!("{}/image", inventory.url(provider));
    let answer = inventory.client.get(url).send().await?;
    let images = parse(&answer.error_for_status()?.bytes().await?)?;
    let page = render(provider, &images);
    let shown = page.clone();
    *inventory.listing() = Some(Listing { images, page });
    Ok(Html(shown))
}

/// `GET /image/{id}`: one of the list that was looked at last.
pub(crate) async fn show(
    State(inventory): State<Arc<Inventory>>,
    Path(id): Path<String>,
) -> Result<Html<String>, StatusCode> {
    let listing = inventory.listing();
    let mut images = listing.iter().flat_map(|listing| &listing.images);
    let image = images.find(|image| image.id == id);
    Ok(Html(row(image.ok_or(StatusCode::NOT_FOUND)?).into_string()))
}

/// `GET /image`: the list that was looked at last, without asking the cloud.
pub(crate) async fn again(
    State(inventory): State<Arc<Inventory>>,
) -> Result<Html<Bytes>, StatusCode> {
    let listing = inventory.listing();
    let listing = listing.as_ref().ok_or(StatusCode::NOT_FOUND)?;
    Ok(Html(listing.page.clone()))
}

// Neither is inlined, so that profiles of any build have their names.
#[inline(never)]
fn parse(body: &[u8]) -> serde_json::Result<Vec<Image>> {
    let mut images: Vec<Image> = serde_json::from_slice(body)?;
    // Without the room that the list had to grow.
    images.shrink_to_fit();
    Ok(images)
}

#[inline(never)]
fn render(provider: Provider, images: &[Image]) -> Bytes {
    let page = html! {
        (DOCTYPE)
        title { "Images of " (provider) }
        table { @for image in images { (row(image)) } }
    };
    // The same for the page.
    Bytes::from(page.into_string().into_boxed_str().into_boxed_bytes())
}

fn row(image: &Image) -> Markup {
    html! {
        tr id=(image.id) class="image selectable" data-architecture=(image.architecture)
            data-platform=(image.platform) data-owner=(image.owner) {
            td class="name" { a href={ "/image/" (image.id) } { (image.name) } }
            td class="description" { (image.description) }
            td class="created" { time datetime=(image.created) { (image.created) } }
            td class="location" { code { (image.location) } }
            td class="disks" {
                @for disk in &image.disks {
                    span class="disk" title=(disk.snapshot) {
                        (disk.device) ": " (disk.gigabytes) " GB"
                    }
                }
            }
            td class="tags" {
                @for tag in &image.tags {
                    span class="tag" data-key=(tag.key) { (tag.key) "=" (tag.value) }
                }
            }
        }
    }
}
