//! The summary as a table with the columns of the published ones.

use super::Output;
use crate::identity::Identity;
use crate::table::{csv, number};

/// One row: between-concept geometry, mean and spread of every statistic, then the [`Identity`] of the features.
#[must_use]
pub fn summary_csv(output: &Output) -> String {
    let mut header = vec!["between-concept dimensionality".to_owned(), "between-concept radius".into()];
    let mut row = vec![number(output.between_dimensionality), number(Some(output.between_radius))];
    for statistic in &output.summary {
        header.extend([format!("{} (mean)", statistic.name), format!("{} (std)", statistic.name)]);
        row.extend([number(statistic.mean), number(statistic.std)]);
    }
    header.extend(Identity::COLUMNS.map(Into::into));
    row.extend(Identity::of(&output.features).values);
    csv(header.iter().map(String::as_str), [row])
}
