//! A dataset as a card: what it is called, what is in it, and which way its samples run.

use eigenscope::api::Thumbnail;
use eigenscope::dataset::as_in_file;
use eigenscope::io::SaveFormat;
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlInputElement, HtmlSelectElement, ImageData};

use super::load;
use crate::forms::shape_text;
use crate::state::{App, Dataset};

pub(super) fn view(app: App, dataset: Dataset) -> impl IntoView {
    let Dataset { key, source, member, name, samples_axis, summary } = dataset.clone();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            summary.with(|s| draw(&canvas, &s.thumbnail));
        }
    });
    let from = match member {
        Some(member) => format!("{}: {member}", source.name()),
        None => source.name(),
    };
    let there = source.is_only_there();
    let size = if there { "on the server".to_owned() } else { load::size_text(source.file.with_value(|f| f.size())) };
    let labels_only = dataset.is_label_table();
    let is_array = dataset.is_array();
    let sized = dataset.clone();
    let (to_rename, to_turn, to_save, to_remove) = (dataset.clone(), dataset.clone(), dataset.clone(), dataset);
    let renamed = move |event: leptos::ev::Event| {
        let Some(input) = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok()) else { return };
        load::rename(app, &to_rename, &input.value());
        // What was typed may have been changed to be unique, or back to the name it had.
        input.set_value(&name.get_untracked());
    };
    let name_id = format!("name-{key}");
    let turn_id = format!("turn-{key}");
    let missing = move || {
        let n = summary.with(|s| s.n_non_finite);
        let text = if n == 1 { "1 value is".into() } else { format!("{n} values are") };
        (n > 0).then(|| view! { <p class="warning" data-testid="dataset-warning">{text}" NaN or infinite; most analyses refuse that."</p> })
    };
    let labels = move || {
        summary.with(|s| {
            let text = |l: &eigenscope::dataset::LabelColumn| l.name.clone();
            (!s.labels.is_empty()).then(|| format!("labels: {}", s.labels.iter().map(text).collect::<Vec<_>>().join(", ")))
        })
    };
    view! {
        <li class="card dataset" class:labels-only=!is_array || there data-testid="dataset-card" data-name=move || name.get()>
            {(is_array && !there).then(|| view! {
                <canvas class="thumbnail" node_ref=canvas role="img" aria-label=move || format!("Picture of the values of {}", name.get())></canvas>
            })}
            <div class="facts">
                <label class="visually-hidden" for=name_id.clone()>"Name of the dataset"</label>
                <input class="name" type="text" id=name_id prop:value=move || name.get() on:change=renamed />
                <p>
                    <span data-testid="dataset-shape">{move || if is_array || labels_only { summary.with(|s| shape_text(&s.shape)) } else { sized.size_text() }}</span>
                    " "
                    <span class="muted">{move || (is_array || labels_only).then(|| summary.with(|s| s.dtype.clone()))}</span>
                </p>
                <p class="muted small">{from}" · "{size}</p>
                {move || labels().map(|text| view! { <p class="muted small">{text}</p> })}
                {labels_only.then(|| view! { <p class="muted small">"No numbers: used to label rows of other datasets."</p> })}
                {missing}
                <div class="row">
                    <Show when=move || is_array>
                        <label class="inline" for=turn_id.clone()>
                            "samples are "
                            <select
                                id=turn_id.clone()
                                data-testid="dataset-orientation"
                                on:change={
                                    let to_turn = to_turn.clone();
                                    move |event: leptos::ev::Event| {
                                        let select = event.target().and_then(|t| t.dyn_into::<HtmlSelectElement>().ok());
                                        if let Some(axis) = select.and_then(|select| select.value().parse().ok()) {
                                            load::turn(app, to_turn.clone(), axis);
                                        }
                                    }
                                }
                            >
                                {move || axes(&summary.with(|s| s.shape.clone()), samples_axis.get())}
                            </select>
                        </label>
                    </Show>
                    <Show when=move || is_array && !there>{save_as(app, to_save.clone())}</Show>
                    <button
                        type="button"
                        class="quiet"
                        data-testid="dataset-remove"
                        aria-label=move || format!("Remove {}", name.get())
                        on:click=move |_| load::remove(app, &to_remove)
                    >
                        "Remove"
                    </button>
                </div>
            </div>
        </li>
    }
    .into_any()
}

/// The axes of an array along which its samples can be; `shape` has that of the samples first.
fn axes(shape: &[u64], chosen: usize) -> Vec<impl IntoView + use<>> {
    let lengths = as_in_file(shape.to_vec(), chosen);
    let is_matrix = lengths.len() <= 2;
    let name = |(axis, length): (usize, &u64)| match axis {
        0 if is_matrix => "rows".to_owned(),
        1 if is_matrix => "columns".to_owned(),
        axis => format!("axis {axis} ({length})"),
    };
    let option = |(axis, text): (usize, String)| view! { <option value=axis.to_string() selected=axis == chosen>{text}</option> };
    lengths.iter().enumerate().map(name).enumerate().map(option).collect()
}

/// A choice of formats, each of which saves at once.
fn save_as(app: App, dataset: Dataset) -> impl IntoView {
    let name = dataset.name;
    let chosen = move |event: leptos::ev::Event| {
        let Some(select) = event.target().and_then(|t| t.dyn_into::<HtmlSelectElement>().ok()) else { return };
        let format = SaveFormat::ALL.into_iter().find(|format| format.ending() == select.value());
        // Back to its heading, so that the same format can be chosen again.
        select.set_selected_index(0);
        if let Some(format) = format {
            load::save_as(app, dataset.clone(), format);
        }
    };
    let options = SaveFormat::ALL.map(|format| {
        let what = match format {
            SaveFormat::Npy => ".npy (numpy)",
            SaveFormat::Npz => ".npz (numpy)",
            SaveFormat::H5 => ".h5 (HDF5)",
            SaveFormat::Csv => ".csv (table)",
            SaveFormat::Mat => ".mat (MATLAB)",
        };
        view! { <option value=format.ending()>{what}</option> }
    });
    view! {
        <select data-testid="dataset-save-as" aria-label=move || format!("Save {} as", name.get()) on:change=chosen>
            <option value="">"Save as…"</option>
            {options}
        </select>
    }
}

/// Gray values as they come; the style sheet scales the canvas.
fn draw(canvas: &HtmlCanvasElement, picture: &Thumbnail) {
    let size = picture.width as usize * picture.height as usize;
    if size == 0 || picture.pixels.len() != size {
        return;
    }
    canvas.set_width(picture.width);
    canvas.set_height(picture.height);
    let rgba: Vec<u8> = picture.pixels.iter().flat_map(|&v| [v, v, v, u8::MAX]).collect();
    let context = canvas.get_context("2d").ok().flatten().and_then(|c| c.dyn_into::<CanvasRenderingContext2d>().ok());
    if let (Some(context), Ok(image)) =
        (context, ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), picture.width, picture.height))
    {
        // A canvas that cannot be drawn leaves the card without its picture.
        context.put_image_data(&image, 0.0, 0.0).ok();
    }
}
