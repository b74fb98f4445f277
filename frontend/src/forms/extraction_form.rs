//! Form of the extraction of activations; layer profiles have its fields too.

use eigenscope::analysis::extraction::{ArrayIs, Spec};
use eigenscope::io;
use eigenscope::network::{Preset, Reading};
use leptos::prelude::*;

use super::fields::{choice, label, one_of, switch, text};
use super::{Check, Form, layer_browser};

const READINGS: &[(Reading, &str)] =
    &[(Reading::Avg, "mean over positions"), (Reading::Max, "maximum over positions"), (Reading::Full, "all positions")];

const PRESETS: &[(Preset, &str)] = &[
    (Preset::Imagenet, "ImageNet: resize, center, mean and deviation"),
    (Preset::Stretch, "ImageNet, stretched to the size"),
    (Preset::EfficientnetLite, "EfficientNet-Lite: stretched, (v − 127) / 128"),
    (Preset::Unit, "stretched, values from 0 to 1"),
];

const ARRAYS: &[(ArrayIs, &str)] =
    &[(ArrayIs::Values, "values as the network wants them"), (ArrayIs::Images, "images: 0 to 255, or 0 to 1")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("network", "Network", &spec.network);
    check.input("images", "Images", &spec.images);
    check.require(!spec.layers.is_empty(), "layers", "Name at least one layer, or all, or outputs.");
    let sides = spec.size.is_none_or(|[h, w]| h > 0 && w > 0);
    check.require(sides, "size", "Give a height and a width in pixels, such as 224x224.");
}

pub(super) fn view(form: Form, spec: RwSignal<Spec>) -> AnyView {
    view! {
        {one_of(
            form,
            label("network", "Network", "An ONNX file, or a state dict of PyTorch (.pth) for AlexNet, VGG, SqueezeNet or ResNet."),
            "drop a network on the page",
            Box::new(move || form.files(io::NETWORK)),
            Box::new(move || spec.with(|s| s.network.clone())),
            Box::new(move |v| spec.update(|s| s.network = v)),
        )}
        {one_of(
            form,
            label("images", "Images", "Images, a zip archive of them, or an array as the network wants it."),
            "drop images on the page",
            Box::new(move || form.files(io::IMAGES).into_iter().chain(form.choices()).collect()),
            Box::new(move || spec.with(|s| s.images.clone())),
            Box::new(move |v| spec.update(|s| s.images = v)),
        )}
        {move || {
            let is_array = form.choices().iter().any(|(name, _)| spec.with(|s| s.images == *name));
            is_array.then(|| choice(
                form,
                label("array", "The array holds", "Images are resized and scaled as files are; values are not touched."),
                ARRAYS,
                move || spec.with(|s| s.array),
                move |v| spec.update(|s| s.array = v),
            ))
        }}
        {text(
            form,
            label("layers", "Layers", "Names of values, with * for any letters; or all, or outputs. Choose them in the graph below."),
            move || spec.with(|s| s.layers.join(", ")),
            move |v| spec.update(|s| s.layers = v.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Into::into).collect()),
        )}
        {layer_browser::view(form, spec)}
        {choice(
            form,
            label("reading", "Positions", "How the positions of a layer are read: one value for each channel, or all of them."),
            READINGS,
            move || spec.with(|s| s.reading),
            move |v| spec.update(|s| s.reading = v),
        )}
        {choice(
            form,
            label("preset", "Preprocessing", "What the network's images looked like in training."),
            PRESETS,
            move || spec.with(|s| s.preset),
            move |v| spec.update(|s| s.preset = v),
        )}
        {text(
            form,
            label("size", "Size of the images", "Height and width, such as 224x224, where the network's file leaves them open."),
            move || spec.with(|s| s.size.map_or_else(String::new, |[h, w]| format!("{h}x{w}"))),
            move |v| spec.update(|s| s.size = sides(&v)),
        )}
        {switch(
            label("skip_unreadable", "Leave out damaged images", "Otherwise the run stops there and names the file."),
            move || spec.with(|s| s.skip_unreadable),
            move |v| spec.update(|s| s.skip_unreadable = v),
        )}
    }
    .into_any()
}

/// Nothing for an empty text; zeros, which the check refuses, for what is no size.
fn sides(text: &str) -> Option<[u32; 2]> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let parsed = text.split_once(['x', '×']).and_then(|(h, w)| Some([h.trim().parse().ok()?, w.trim().parse().ok()?]));
    Some(parsed.unwrap_or([0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_mistakes_kept_for_the_check() {
        assert_eq!((sides(""), sides("224x160"), sides("96 × 96")), (None, Some([224, 160]), Some([96, 96])));
        assert_eq!((sides("224"), sides("axb")), (Some([0, 0]), Some([0, 0])));
    }
}
