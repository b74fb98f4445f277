//! The layers that were extracted, and their way into the list of datasets.

use eigenscope::Error;
use eigenscope::analysis::extraction::{self, Output};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::Part;
use crate::client::text;
use crate::datasets::load;
use crate::forms::shape_text;
use crate::plot::download;
use crate::plot::{Cell, DataTable, Table, number};
use crate::state::App;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>) -> AnyView {
    let app = use_context::<App>();
    let (to_use, to_save) = (output.clone(), output.clone());
    let n = output.layers.len();
    let keep = move |_| {
        let (Some(app), output) = (app, to_use.clone()) else { return };
        spawn_local(async move {
            if let Err(error) = add(app, &output).await {
                app.fail("The layers", &error);
            }
        });
    };
    let save = move |_| {
        let saved = extraction::npz(&to_save).map_err(|e| e.to_string());
        let saved = saved.and_then(|bytes| download(&format!("{}.npz", to_save.network), "application/zip", &bytes));
        if let (Some(app), Err(message)) = (app, saved) {
            app.notice("Save", message);
        }
    };
    view! {
        <p data-testid="extraction-summary">{summary(&output)}</p>
        <div class="row">
            <button type="button" class="primary" data-testid="layers-to-datasets" on:click=keep>
                {if n == 1 { "Use the layer as a dataset".to_owned() } else { format!("Use the {} layers as datasets", number::count(n)) }}
            </button>
            <button type="button" data-testid="layers-save" on:click=save>"Save as .npz"</button>
        </div>
        <DataTable table=table(&output) caption="Layers" test_id="extraction-table" />
    }
    .into_any()
}

fn summary(output: &Output) -> String {
    let left_out = match output.left_out.len() {
        0 => String::new(),
        n => format!(" {} images could not be read.", number::count(n)),
    };
    format!(
        "{} of {} for {} images.{left_out}",
        if output.layers.len() == 1 { "One layer".into() } else { format!("{} layers", number::count(output.layers.len())) },
        output.network,
        number::count(output.images.len())
    )
}

fn table(output: &Output) -> Table {
    let row = |layer: &extraction::Layer| {
        let shape: Vec<u64> = layer.shape.iter().map(|n| u64::from(*n)).collect();
        vec![Cell::Text(layer.name.clone()), Cell::Text(shape_text(&shape)), Cell::Count(layer.values.values.len() as u64)]
    };
    Table::new(["Layer", "Shape", "Values"], output.layers.iter().map(row).collect())
}

/// The layers as members of one archive, each a dataset.
async fn add(app: App, output: &Output) -> Result<(), Error> {
    let bytes = Uint8Array::from(extraction::npz(output)?.as_slice());
    let name = format!("{}-layers.npz", output.network);
    let file = File::new_with_buffer_source_sequence(&Array::of1(&bytes), &name).map_err(|e| Error::internal(text(&e)))?;
    let source = app.source(file);
    for layer in &output.layers {
        load::load(app, source, Some(layer.name.clone())).await?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use eigenscope::Array as Numbers;
    use eigenscope::analysis::extraction::Layer;

    use super::*;

    #[test]
    fn layers_are_listed_with_their_shapes() {
        let layer =
            |name: &str, shape: Vec<u32>, n: usize| Layer { name: name.into(), shape, values: Numbers::matrix(2, n, vec![0.0; 2 * n]) };
        let output = Output {
            network: "net".into(),
            layers: vec![layer("relu", vec![2, 3, 2, 2], 12), layer("out", vec![2, 5], 5)],
            images: vec!["a.png".into(), "b.png".into()],
            left_out: vec!["c.png".into()],
            preprocess: None,
        };
        assert_eq!(summary(&output), "2 layers of net for 2 images. 1 images could not be read.");
        let table = table(&output);
        assert_eq!(table.rows[0], [Cell::Text("relu".into()), Cell::Text("2 × 3 × 2 × 2".into()), Cell::Count(24)]);
    }
}
