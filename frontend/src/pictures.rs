//! Images of the conditions, shrunk to thumbnails for the figures.

use std::sync::Arc;

use eigenscope::Error;
use eigenscope::input::by_number;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{CanvasRenderingContext2d, File, HtmlCanvasElement, HtmlImageElement, Url};

use crate::client::text;
use crate::datasets::images;
use crate::state::{App, Source};

/// Longer side of a thumbnail, in pixels.
const SIDE: f64 = 96.0;

/// Thumbnails that the card shows.
const SHOWN: usize = 12;

/// An image that the user gave.
#[derive(Clone)]
pub(crate) struct Picture {
    /// The file, for saving.
    pub(crate) source: Source,
    /// The thumbnail as a data address.
    pub(crate) url: Arc<str>,
}

/// Takes images as those of the conditions, in the order of their names; they take the place of earlier ones.
pub(crate) fn take(app: App, mut files: Vec<File>) {
    files.sort_by(|a, b| by_number(&a.name(), &b.name()));
    spawn_local(async move {
        app.reading.update(|n| *n += 1);
        let mut pictures = Vec::with_capacity(files.len());
        for file in files {
            let name = file.name();
            match shrunk(&file).await {
                Ok(url) => pictures.push(Picture { source: app.source(file), url: url.into() }),
                Err(error) => app.fail(&name, &error),
            }
        }
        if !pictures.is_empty() {
            app.say(format!("{} images are thumbnails of conditions.", pictures.len()));
            app.pictures.set(pictures);
            images::renew(app).await;
        }
        app.reading.update(|n| *n -= 1);
    });
}

/// The image at thumbnail size, as a data address.
async fn shrunk(file: &File) -> Result<String, Error> {
    let bad = |why: String| Error::format(file.name(), format!("it is not an image that this browser can show ({why})"));
    let address = Url::create_object_url_with_blob(file).map_err(|e| bad(text(&e)))?;
    let found = draw(&address).await;
    Url::revoke_object_url(&address).ok();
    found.map_err(|e| bad(text(&e)))
}

async fn draw(address: &str) -> Result<String, wasm_bindgen::JsValue> {
    let image = HtmlImageElement::new()?;
    image.set_src(address);
    JsFuture::from(image.decode()).await?;
    let (width, height) = (f64::from(image.natural_width()), f64::from(image.natural_height()));
    let scale = (SIDE / width.max(height)).min(1.0);
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 96 pixels")]
    let pixels = |length: f64| (scale * length).round().max(1.0) as u32;
    canvas.set_width(pixels(width));
    canvas.set_height(pixels(height));
    let context = canvas.get_context("2d")?.ok_or("no canvas")?;
    let context: CanvasRenderingContext2d = context.unchecked_into();
    context.draw_image_with_html_image_element_and_dw_and_dh(&image, 0.0, 0.0, f64::from(canvas.width()), f64::from(canvas.height()))?;
    canvas.to_data_url()
}

/// What there is, below the datasets.
pub(crate) fn card(app: App) -> impl IntoView {
    let there = move || app.pictures.with(|all| !all.is_empty());
    let names = move || {
        app.pictures.with(|all| match all.as_slice() {
            [] => String::new(),
            [only] => only.source.name(),
            [first, .., last] => format!("{} … {}", first.source.name(), last.source.name()),
        })
    };
    let shown = move || {
        app.pictures.with(|all| all.iter().take(SHOWN).map(|p| view! { <img src=p.url.to_string() alt=p.source.name() /> }).collect_view())
    };
    view! {
        <Show when=there>
            <div class="card pictures" data-testid="pictures">
                <div class="card-head">
                    <h3>{move || format!("{} images", app.pictures.with(Vec::len))}</h3>
                    <button type="button" data-testid="remove-pictures" on:click=move |_| app.pictures.set(Vec::new())>"Remove"</button>
                </div>
                <p class="muted">{names}" – thumbnails of the conditions where an RDM or an embedding has as many, in this order."</p>
                <div class="thumbs">{shown}</div>
            </div>
        </Show>
    }
    .into_any()
}
