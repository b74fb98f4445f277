//! A network that learns to tell orientations apart, told from the task to the comparison of its layers with the brain: the page's first run.

use std::sync::Arc;

use eigenscope::analysis::orientation::{Encoding, Output, Population};
use eigenscope::orientation::{HEIGHT, KERNEL, N_FILTERS, WIDTH, grating};
use eigenscope::{AnalysisSpec, Array};
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlElement, ImageData};

use super::{Part, at, orientation_figures as figures};
use crate::forms::Kind;
use crate::plot::{CYCLE, FigureCard, number};
use crate::state::App;

/// Gratings that show the task, in degrees.
const SHOWN: [f64; 6] = [-60.0, -30.0, -5.0, 5.0, 30.0, 60.0];

/// The view of [`Output`].
pub(super) fn view(output: Signal<Part<Output>>, spec: Arc<AnalysisSpec>) -> AnyView {
    let app = use_context::<App>();
    let loss = Memo::new_with_compare(move |_| Arc::new(output.with(|o| figures::losses(o))), |_, _| true);
    let learned = move || output.with(|o| learned(o));
    let done = Memo::new(move |_| output.with(|o| o.populations.len() > 1));
    let compared = {
        let spec = Arc::clone(&spec);
        move || done.get().then(|| comparison(&output.get_untracked(), &spec, app))
    };
    view! {
        {step(
            "The task",
            "A small network sees gratings and learns one thing: do the stripes lean to the left or to the right of vertical?",
            SHOWN.map(|angle| picture(WIDTH, HEIGHT, grating(angle).iter().map(|v| 255.0 * (1.0 - f64::from(*v))).collect(), leaning(angle))).collect_view(),
            "task",
        )}
        <section class="story" data-testid="story-learning">
            <h4>"It learns"</h4>
            <p>{learned}</p>
            <FigureCard id="orientation-loss" title="Mistakes while it learns" chart=loss spec />
        </section>
        {move || output.with(|o| filters(o))}
        {compared}
    }
    .into_any()
}

/// A step of the story: what there is to see, in a sentence or two, and the pictures.
fn step(title: &'static str, text: impl Into<String>, pictures: impl IntoView, test_id: &'static str) -> AnyView {
    let text: String = text.into();
    view! {
        <section class="story" data-testid=format!("story-{test_id}")>
            <h4>{title}</h4>
            <p>{text}</p>
            <div class="row">{pictures}</div>
        </section>
    }
    .into_any()
}

fn leaning(angle: f64) -> String {
    format!("{}: {}", figures::degrees(angle), if angle > 0.0 { "right" } else { "left" })
}

/// Gray values 0 to 255 with a text below.
fn picture(width: usize, height: usize, gray: Vec<f64>, text: String) -> AnyView {
    let canvas = NodeRef::<Canvas>::new();
    let label = text.clone();
    let side = |n: usize| u32::try_from(n).unwrap_or(0);
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "gray values")]
        let rgba: Vec<u8> = gray.iter().map(|v| v.round() as u8).flat_map(|v| [v, v, v, u8::MAX]).collect();
        canvas.set_width(side(width));
        canvas.set_height(side(height));
        let context = canvas.get_context("2d").ok().flatten().and_then(|c| c.dyn_into::<CanvasRenderingContext2d>().ok());
        let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), side(width), side(height));
        if let (Some(context), Ok(image)) = (context, image) {
            // A canvas that cannot be drawn leaves its text.
            context.put_image_data(&image, 0.0, 0.0).ok();
        }
    });
    view! {
        <figure class="grating" class:filter=width == KERNEL>
            <canvas node_ref=canvas role="img" aria-label=label></canvas>
            <figcaption class="muted small">{text}</figcaption>
        </figure>
    }
    .into_any()
}

/// What is known of the learning.
fn learned(output: &Output) -> String {
    let n = output.losses.len();
    match output.accuracy {
        Some(accuracy) => format!(
            "After {} passes through the gratings it gives the right answer for {} % of them, with {} numbers that were adjusted.",
            number::count(n),
            number::significant(100.0 * accuracy, 3),
            number::count(output.n_parameters)
        ),
        None if n == 0 => "The gratings are made, and the first pass begins.".into(),
        None => format!(
            "{} of {} passes through the gratings are done; the lower the curve, the fewer mistakes.",
            number::count(n),
            number::count(output.epochs)
        ),
    }
}

/// The filters of the convolution at the start and now.
fn filters(output: &Output) -> Option<AnyView> {
    let after = output.filters_after.as_ref()?;
    let most = |filters: &Array| filters.values.iter().fold(f64::MIN_POSITIVE, |most, v| most.max(v.abs()));
    let common = output.filters_before.iter().chain([after]).map(most).fold(f64::MIN_POSITIVE, f64::max);
    let row = |title: &str, filters: &Array, most: f64| {
        let one = |k: usize| {
            let gray = (0..KERNEL * KERNEL).map(|i| 127.5 * (1.0 + at(filters, k, i) / most)).collect();
            picture(KERNEL, KERNEL, gray, format!("{title} {}", k + 1))
        };
        view! { <div class="row filters">{(0..N_FILTERS).map(one).collect_view()}</div> }
    };
    let before = output.filters_before.as_ref().map(|f| row("before", f, common));
    let change = output.filters_before.as_ref().map(|before| {
        let values = after.values.iter().zip(&before.values).map(|(after, before)| after - before).collect();
        let change = Array::matrix(N_FILTERS, KERNEL * KERNEL, values);
        let enlarged = number::significant(common / most(&change), 2);
        view! {
            <p class="muted small">{format!("What learning changed, {enlarged} times enlarged:")}</p>
            {row("change", &change, most(&change))}
        }
    });
    Some(
        view! {
            <section class="story" data-testid="story-filters">
                <h4>"What it looks for"</h4>
                <p>
                    "Each filter is a small pattern that the network searches for everywhere in the grating: bright attracts, dark repels. Learning changes them a little."
                </p>
                {before}
                {row("after", after, common)}
                {change}
            </section>
        }
        .into_any(),
    )
}

/// The layers beside the brain.
fn comparison(output: &Part<Output>, spec: &Arc<AnalysisSpec>, app: Option<App>) -> AnyView {
    let names: Vec<String> = output.orientations.iter().map(|o| figures::degrees(*o)).collect();
    let brain = output.populations.first().map_or_else(String::new, |p| p.name.clone());
    let hovered = RwSignal::new(None::<[usize; 2]>);
    let rdm = |p: &Population| {
        let chart = Signal::stored(Arc::new(figures::rdm(p, &names)));
        view! { <FigureCard id="orientation-rdm" title=format!("RDM of {}", p.name) chart spec=Arc::clone(spec) hovered /> }
    };
    let bars = Signal::stored(Arc::new(figures::bars(output, &brain)));
    let tuning = |p: &Population| {
        let chart = Signal::stored(Arc::new(figures::tuning(p, &output.orientations)));
        view! { <FigureCard id="orientation-tuning" title=format!("Tuning in {}", p.name) chart spec=Arc::clone(spec) /> }
    };
    let points = |p: &Population| {
        let chart = Signal::stored(Arc::new(figures::points(p, &output.orientations)));
        view! { <FigureCard id="orientation-points" title=format!("Orientations in {}", p.name) chart spec=Arc::clone(spec) /> }
    };
    let each = |view: &dyn Fn(&Population) -> AnyView| output.populations.iter().map(view).collect_view();
    view! {
        <section class="story" data-testid="story-rdms">
            <h4>"How alike are two orientations?"</h4>
            <p>
                {format!(
                    "Each square compares every orientation with every other: dark where the responses are alike, bright where they differ (1 minus their correlation r). \
                     {brain} is the brain; pool and fc are layers of the network, pool the earlier one. Point at a cell to see the same pair in all three.",
                )}
            </p>
            <div class="figure-trio">{each(&|p| rdm(p).into_any())}</div>
        </section>
        <section class="story" data-testid="story-bars">
            <h4>"Which layer is more like the brain?"</h4>
            <p>{figures::verdict(output, &brain)}</p>
            <FigureCard id="orientation-bars" title=format!("Similarity to {brain}") chart=bars spec=Arc::clone(spec) />
        </section>
        {one_row(output, spec)}
        <section class="story" data-testid="story-tuning">
            <h4>"What single units answer to"</h4>
            <p>
                "Neurons of the visual cortex prefer one orientation. Units of the earlier layer, pool, answer to several; those of fc mostly change at 0 degrees, where left becomes right, because this is all that was asked."
            </p>
            <div class="figure-trio">{each(&|p| tuning(p).into_any())}</div>
        </section>
        <section class="story" data-testid="story-points">
            <h4>"Orientations as points"</h4>
            <p>
                "Each point is an orientation, near to others with similar responses (t-SNE). Turned by 180 degrees stripes look the same, so a population that represents orientation as such draws a ring; one that only tells left from right falls apart at 0 degrees."
            </p>
            {key()}
            <div class="figure-trio">{each(&|p| points(p).into_any())}</div>
        </section>
        {output.encoding.as_ref().map(|fit| encoding(fit, &brain, spec))}
        {next(app)}
    }
    .into_any()
}

/// The network that is fitted to the neurons themselves.
fn encoding(fit: &Encoding, brain: &str, spec: &Arc<AnalysisSpec>) -> AnyView {
    let chart = Signal::stored(Arc::new(figures::encoding(fit)));
    let most = fit.filters.values.iter().fold(f64::MIN_POSITIVE, |most, v| most.max(v.abs()));
    let one = |k: usize| {
        let gray = (0..KERNEL * KERNEL).map(|i| 127.5 * (1.0 + at(&fit.filters, k, i) / most)).collect();
        picture(KERNEL, KERNEL, gray, format!("fitted {}", k + 1))
    };
    view! {
        <section class="story" data-testid="story-encoding">
            <h4>"A network that learns the neurons"</h4>
            <p>{figures::explained(fit, brain)}</p>
            <FigureCard id="orientation-encoding" title="Error while it learns the neurons" chart spec=Arc::clone(spec) />
            <div class="row filters">{(0..N_FILTERS).map(one).collect_view()}</div>
        </section>
    }
    .into_any()
}

/// One row of each RDM.
fn one_row(output: &Part<Output>, spec: &Arc<AnalysisSpec>) -> AnyView {
    let last = output.orientations.len().saturating_sub(1);
    // A quarter from the end: 45 degrees of the usual orientations.
    let (row, set_row) = signal(3 * output.orientations.len() / 4);
    let (known, named) = (output.clone(), output.orientations.clone());
    let chart = Memo::new_with_compare(move |_| Arc::new(figures::row(&known, row.get())), |_, _| true);
    let text = move || named.get(row.get()).map(|o| figures::degrees(*o));
    view! {
        <section class="story" data-testid="story-row">
            <h4>"One orientation against all others"</h4>
            <p>
                "The same distances along one row of the squares. Where a line makes a step at 0 degrees, the layer separates left from right; where it grows gradually, it represents the orientation itself."
            </p>
            <FigureCard id="orientation-row" title="Distances from one orientation" chart spec=Arc::clone(spec)>
                <label>
                    "Orientation "
                    <input
                        type="range"
                        min="0"
                        max=last.to_string()
                        data-testid="orientation-slider"
                        prop:value=move || row.get().to_string()
                        on:input=move |e| set_row.set(event_target_value(&e).parse().unwrap_or_default())
                    />
                    " "
                    {text}
                </label>
            </FigureCard>
        </section>
    }
    .into_any()
}

/// Which color is which orientation.
fn key() -> AnyView {
    let bar = |k: usize| {
        let (sin, cos) = figures::middle(k).to_radians().sin_cos();
        #[expect(clippy::cast_precision_loss, reason = "a few places")]
        let x = 12.0 + 24.0 * k as f64;
        let [x1, y1, x2, y2] = [x - 9.0 * sin, 12.0 + 9.0 * cos, x + 9.0 * sin, 12.0 - 9.0 * cos].map(|v| format!("{v:.1}"));
        view! { <line x1=x1 y1=y1 x2=x2 y2=y2 style:stroke=format!("var(--plot-cycle-{})", k + 1) /> }
    };
    view! {
        <svg class="cycle-key" viewBox="0 0 288 24" role="img" aria-label="The color of each orientation, from −90 to 90 degrees">
            {(0..CYCLE).map(bar).collect_view()}
        </svg>
    }
    .into_any()
}

/// Where to go from here.
fn next(app: Option<App>) -> AnyView {
    let go = move |kind: Kind, id: &'static str| {
        if let Some(app) = app {
            app.form.kind.set(kind);
        }
        if let Some(element) = document().get_element_by_id(id).and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
            element.scroll_into_view();
            element.focus().ok();
        }
    };
    view! {
        <section class="story" data-testid="story-next">
            <h4>"Now with your own data"</h4>
            <p>
                "What you saw works with any responses: of neurons, voxels, or layers. Drop two arrays with a row for each stimulus and compare their RDMs, or bring a network of yours as near to responses as a few dimensions of its parameters allow."
            </p>
            <div class="row">
                <button type="button" class="primary" data-testid="next-own" on:click=move |_| go(Kind::Rdm, "datasets")>
                    "Drop your own activations"
                </button>
                <button type="button" data-testid="next-warp" on:click=move |_| go(Kind::Warp, "analysis-panel")>"Warp a network to responses"</button>
                <button type="button" data-testid="next-settings" on:click=move |_| go(Kind::Orientation, "analysis-panel")>
                    "Change this network"
                </button>
            </div>
        </section>
    }
    .into_any()
}
