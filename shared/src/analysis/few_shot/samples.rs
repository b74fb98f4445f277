//! The rows of the classes that an analysis looks at, gathered from its input.

use faer::Mat;

use crate::analysis::dimensionality::pooling::Pooling;
use crate::analysis::dimensionality::{Generator, Pool};
use crate::blocks::Blocks;
use crate::compute::Device;
use crate::dataset::Inputs;
use crate::labels::Labels;
use crate::progress::Progress;
use crate::{Error, Warning};

/// Some classes and their rows.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct Samples {
    /// Name of each class.
    pub names: Vec<String>,
    /// Rows of each, ascending.
    pub rows: Vec<Vec<usize>>,
}

impl Samples {
    /// The first `limit` classes by appearance, at least two; with what there is to say when there are fewer.
    pub(in crate::analysis) fn choose(
        inputs: &Inputs,
        features: &str,
        labels: &Labels,
        limit: Option<u32>,
    ) -> Result<(Self, Option<Warning>), Error> {
        if limit.is_some_and(|limit| limit < 2) {
            let asked = limit.unwrap_or(0);
            return Err(Error::parameter("n_categories", format!("{asked} classes were asked for; at least 2 are needed")));
        }
        let n_rows = inputs.shape("features", features)?.first().copied().unwrap_or(0);
        let mut classes = labels.classes(inputs, features, n_rows)?;
        classes.require(labels, 1)?;
        let (found, wanted) = (classes.names.len(), limit.map_or(usize::MAX, |limit| limit as usize));
        let mut rows = classes.rows();
        rows.truncate(wanted);
        classes.names.truncate(wanted);
        let warning = limit.filter(|_| found < wanted).map(|limit| Warning {
            code: "few_classes".into(),
            message: format!("{limit} classes were asked for but {} has {found}; all of them are used", labels.input),
        });
        Ok((Self { names: classes.names, rows }, warning))
    }

    /// Their rows as columns (p, n), class after class.
    pub(in crate::analysis) async fn gather(
        &self,
        inputs: &Inputs,
        features: &str,
        pool: Pool,
        seed: u64,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<Mat<f64>, Error> {
        progress.step(0.0, &format!("{features}: reading the rows of {} classes", self.names.len()))?;
        let blocks = if inputs.shape("features", features)?.len() < 3 {
            inputs.blocks("features", features)?
        } else {
            let mut pooling = Pooling::new(pool, Generator::Pcg64, seed)?;
            Blocks::of_mat(features, pooling.apply(inputs.get("features", features)?, device, progress).await?)
        };
        // In the order of the file, so that neighbors are read together.
        let mut places: Vec<(usize, usize)> = self.rows.iter().flatten().copied().zip(0..).collect();
        places.sort_unstable();
        let mut out = Mat::zeros(blocks.n_features(), places.len());
        for run in places.chunk_by(|a, b| b.0 == a.0 + 1) {
            let rows = blocks.rows(run[0].0..run[0].0 + run.len())?;
            for (i, &(_, place)) in run.iter().enumerate() {
                let row = rows.row(i);
                out.col_as_slice_mut(place).iter_mut().enumerate().for_each(|(j, to)| *to = row[j]);
            }
        }
        Ok(out)
    }
}
