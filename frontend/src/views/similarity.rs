//! Measures of similarity as a table that can be searched.

use eigenscope::analysis::similarity::{CATALOGUE, Direction, Entry, Invariance, Output, Status};
use leptos::prelude::*;

use super::Part;
use super::controls::line;
use crate::plot::{Cell, DataTable, Table, number};

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>) -> AnyView {
    let (query, set_query) = signal(String::new());
    let what = format!(
        "{} measures of {} and {}, {} without a value.",
        number::count(output.values.len() + output.left_out.len()),
        output.x,
        output.y,
        number::count(output.left_out.len())
    );
    let found = move || {
        let table = table(&output, &query.get());
        view! { <DataTable table caption="Measures of similarity".to_owned() test_id="similarity-table" /> }
    };
    view! {
        <p data-testid="similarity-summary">{what}</p>
        <div class="figure-controls">{line("Search ", "similarity-search", query, set_query)}</div>
        {found}
    }
    .into_any()
}

/// Rows of the measures in whose name, title, flags or note every word of the query is, in the order of the catalogue.
fn table(output: &Output, query: &str) -> Table {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let names = output.values.keys().chain(output.left_out.keys());
    let mut all: Vec<(usize, &String)> =
        names.map(|name| (CATALOGUE.iter().position(|e| e.name == name.as_str()).unwrap_or(CATALOGUE.len()), name)).collect();
    all.sort_unstable();
    let rows = all.into_iter().map(|(at, name)| row(output, name, CATALOGUE.get(at)));
    let matches = |row: &Vec<Cell>| {
        let text = row
            .iter()
            .map(|cell| if let Cell::Text(text) = cell { text.to_lowercase() } else { String::new() })
            .collect::<Vec<_>>()
            .join(" ");
        words.iter().all(|word| text.contains(word.as_str()))
    };
    Table::new(
        ["Measure", "Value", "More is", "Does not change with", "Metric", "Implementations", "Cost", "Note", "Name in specs"],
        rows.filter(matches).collect(),
    )
}

fn row(output: &Output, name: &str, entry: Option<&Entry>) -> Vec<Cell> {
    let text = |of: fn(&Entry) -> String| Cell::Text(entry.map_or_else(String::new, of));
    let widths = entry.filter(|e| e.needs_equal_widths).map(|_| "Needs equal numbers of features.");
    let note = [output.left_out.get(name).map(String::as_str), widths, entry.map(|e| e.note)];
    vec![
        Cell::Text(entry.map_or_else(|| name.to_owned(), |e| e.title.to_owned())),
        Cell::number(output.values.get(name).copied(), "does not apply or is undefined: see the note"),
        text(|e| if e.direction == Direction::Similarity { "alike" } else { "different" }.into()),
        text(|e| invariances(e.invariances)),
        text(|e| if e.is_metric { "metric" } else { "" }.into()),
        text(|e| match e.status {
            Status::Agreed => "agree".into(),
            Status::Disputed => "disputed".into(),
            Status::Single => "few".into(),
        }),
        text(|e| e.cost.into()),
        Cell::Text(note.into_iter().flatten().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(" ")),
        Cell::Text(name.to_owned()),
    ]
}

fn invariances(flags: Invariance) -> String {
    let words = [
        (Invariance::TRANSLATION, "translation"),
        (Invariance::SCALE, "scale"),
        (Invariance::LINEAR, "linear maps"),
        (Invariance::ROTATION, "rotation"),
        (Invariance::PERMUTATION, "order of features"),
    ];
    // A linear map covers rotations, a rotation covers orders.
    let is_covered = |flag: Invariance| match flag {
        Invariance::PERMUTATION => flags.intersects(Invariance::ROTATION | Invariance::LINEAR),
        Invariance::ROTATION => flags.contains(Invariance::LINEAR),
        _ => false,
    };
    let found = words.into_iter().filter(|(flag, _)| flags.contains(*flag) && !is_covered(*flag)).map(|(_, word)| word);
    found.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        let values = [("cka-kernel=linear-hsic=gretton-score", 0.49), ("cca-score", 0.89), ("magnitude_difference", 0.09)];
        let left_out = [("isc-score", "needs the same columns on both sides; there are 12 and 5")];
        Output {
            x: "V1".into(),
            y: "IT".into(),
            values: values.map(|(name, value)| (name.to_owned(), value)).into(),
            left_out: left_out.map(|(name, why)| (name.to_owned(), why.to_owned())).into(),
        }
    }

    #[test]
    fn rows_follow_the_catalogue_and_say_why_there_is_no_value() {
        let all = table(&output(), "");
        let names: Vec<String> = all.rows.iter().map(|row| row[0].display()).collect();
        assert_eq!(
            names,
            ["Linear CKA", "Mean canonical correlation", "Correlation of corresponding features", "Difference of the mean rows' lengths"]
        );
        assert!(matches!(all.rows[2][1], Cell::Undefined(_)) && all.rows[2][7].display().contains("12 and 5"));
        assert_eq!(all.rows[1][3].display(), "translation, scale, linear maps");
    }

    #[test]
    fn every_word_of_a_search_must_be_found() {
        let found = |query: &str| table(&output(), query).rows.len();
        assert_eq!((found("canonical"), found("LINEAR maps"), found("metric different"), found("nothing like it")), (1, 1, 1, 0));
    }
}
