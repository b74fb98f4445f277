//! The fits of all repeats and what they score.

use faer::{Mat, MatRef};

use super::order::Orders;
use super::ranking::{Ranked, rank};
use super::samples::Samples;
use super::{Classifier, Confusion, Row, Spec};
use crate::analysis::Context;
use crate::compute::Device;
use crate::dataset::Inputs;
use crate::learn::{Info, Linear, StopReason, logistic, margin};
use crate::progress::{Part, Progress};
use crate::{Array, Error, stats};

/// Largest number of samples whose Gram matrix is held as a whole: 800 MB.
const MAX_GRAM: usize = 10_000;

/// The scores of all fits.
pub(super) struct Scores {
    pub n_features: usize,
    pub rows: Vec<Row>,
    pub confusions: Vec<Confusion>,
}

/// All samples, and what is shared by the fits on some of them.
struct Data<'a> {
    /// p x n, class after class, `per_class` each; the mean over all is subtracted.
    x: Mat<f64>,
    /// The mean that was subtracted.
    mean: Vec<f64>,
    per_class: usize,
    n_classes: usize,
    /// Gram matrix of all samples.
    gram: Option<Mat<f64>>,
    device: &'a Device,
}

/// Training and held-out samples of a fit: columns of the data.
struct Split {
    train: Vec<usize>,
    test: Vec<usize>,
    /// Classes of the training samples.
    codes: Vec<usize>,
}

pub(super) async fn run(spec: &Spec, samples: &Samples, inputs: &Inputs, context: &Context<'_>) -> Result<Scores, Error> {
    let reading = Part::new(context.progress, 0.0, 0.1);
    let mut x = samples.gather(inputs, &spec.features, spec.pool, spec.seed, context.device, &reading).await?;
    let mean = center(&mut x);
    let (per_class, n_classes) = (samples.rows.first().map_or(0, Vec::len), samples.names.len());
    let mut data = Data { x, mean, per_class, n_classes, gram: None, device: context.device };
    if data.shares_gram(spec) {
        context.step(0.1, &format!("Gram matrix of {} samples", data.x.ncols()))?;
        data.gram = Some(context.device.gram_columns(data.x.as_ref()).await?);
    }
    let largest = spec.n_train.iter().copied().max().unwrap_or(0);
    let mut rows = Vec::new();
    let mut counts = vec![vec![0.0; n_classes * n_classes]; spec.classifiers.len()];
    let mut unfinished = 0u32;
    let mut orders = Orders::new(spec.order, spec.seed, per_class);
    let n_fits = spec.classifiers.len() * spec.n_train.len() * spec.n_repeats as usize;
    for i_repeat in 0..spec.n_repeats {
        let order = orders.next(i_repeat);
        for (c, &classifier) in spec.classifiers.iter().enumerate() {
            for &n_train in &spec.n_train {
                let at = |done: usize| 0.15 + 0.85 * stats::count(done) / stats::count(n_fits);
                let progress = Part::new(context.progress, at(rows.len()), at(rows.len() + 1));
                progress.step(0.0, &format!("repeat {}, {n_train} a class", i_repeat + 1))?;
                let split = data.split(&order, n_train as usize, spec.n_test as usize);
                let (scores, info) = data.scores(classifier, &split, &progress).await?;
                unfinished += u32::from(info.is_some_and(|info| info.stopped != StopReason::Converged));
                let ranked = data.ranked(&scores, spec.n_test as usize)?;
                if n_train == largest {
                    for (i, ranked) in ranked.iter().enumerate() {
                        counts[c][i / spec.n_test as usize * n_classes + ranked.predicted] += 1.0;
                    }
                }
                rows.push(row(classifier, n_train, i_repeat, &ranked, &scores, spec.n_test as usize));
            }
        }
    }
    if unfinished > 0 {
        context.warn(
            "not_converged",
            format!("{unfinished} of {n_fits} fits stopped before their gradient was small enough; scale the features"),
        );
    }
    let per_test = stats::count(spec.n_test as usize) * f64::from(spec.n_repeats);
    let confusion = |(&classifier, counts): (&Classifier, Vec<f64>)| Confusion {
        classifier,
        n_train: largest,
        per_class: Array::vector((0..n_classes).map(|k| counts[k * n_classes + k] / per_test).collect()),
        counts: Array::matrix(n_classes, n_classes, counts),
    };
    let confusions = spec.classifiers.iter().zip(counts).map(confusion).collect();
    Ok(Scores { n_features: data.mean.len(), rows, confusions })
}

/// Subtracts the mean over columns, which changes no distance, and returns it. Values that are equal in all columns become exactly zero.
fn center(x: &mut Mat<f64>) -> Vec<f64> {
    let n = stats::count(x.ncols());
    let start: Vec<f64> = x.col_as_slice(0).to_vec();
    let mut mean = vec![0.0; x.nrows()];
    for j in 0..x.ncols() {
        mean.iter_mut().zip(x.col_as_slice(j)).zip(&start).for_each(|((m, v), s)| *m += (v - s) / n);
    }
    mean.iter_mut().zip(&start).for_each(|(m, s)| *m += s);
    for j in 0..x.ncols() {
        x.col_as_slice_mut(j).iter_mut().zip(&mean).for_each(|(v, m)| *v -= m);
    }
    mean
}

fn row(classifier: Classifier, n_train: u32, i_repeat: u32, ranked: &[Ranked], scores: &Mat<f64>, n_test: usize) -> Row {
    let mean = |of: fn(&Ranked) -> f64| stats::mean(&ranked.iter().map(of).collect::<Vec<_>>());
    let is_ranking = classifier != Classifier::Maxmargin;
    let likelihood = || stats::mean(&(0..scores.nrows()).map(|i| scores[(i, i / n_test)]).collect::<Vec<_>>());
    Row {
        classifier,
        n_train,
        i_repeat,
        top1: mean(|r| f64::from(u8::from(r.top1))),
        top5: is_ranking.then(|| mean(|r| f64::from(u8::from(r.top5)))),
        mrr: is_ranking.then(|| mean(|r| r.reciprocal_rank)),
        log_likelihood: (classifier == Classifier::Linear).then(likelihood),
    }
}

impl Data<'_> {
    /// Whether one Gram matrix of all samples costs less than one for each fit that wants one.
    fn shares_gram(&self, spec: &Spec) -> bool {
        let (p, n) = self.x.shape();
        let n_fits = spec.classifiers.iter().filter(|c| **c != Classifier::Prototype).count() * spec.n_repeats as usize;
        let sizes = spec.n_train.iter().map(|&m| m as usize * self.n_classes).filter(|&m| m <= p);
        let apart: f64 = sizes.map(|m| stats::count(m).powi(2)).sum::<f64>() * stats::count(n_fits);
        n <= MAX_GRAM && stats::count(n).powi(2) <= apart
    }

    fn split(&self, order: &[usize], n_train: usize, n_test: usize) -> Split {
        let of = |chosen: &[usize]| (0..self.n_classes).flat_map(|k| chosen.iter().map(move |s| k * self.per_class + s)).collect();
        let (train, test) = (&order[..n_train], &order[order.len() - n_test..]);
        Split { train: of(train), test: of(test), codes: (0..self.n_classes * n_train).map(|i| i / n_train).collect() }
    }

    /// Scores of the held-out samples: (n, classes).
    async fn scores(&self, classifier: Classifier, split: &Split, progress: &dyn Progress) -> Result<(Mat<f64>, Option<Info>), Error> {
        match classifier {
            Classifier::Prototype => Ok((self.prototypes(split).await?, None)),
            Classifier::Linear => {
                let (fit, scores) = self.fit(split, &Linearly::Logistic, progress).await?;
                Ok((logistic::log_probabilities(scores.as_ref()), Some(fit.info)))
            }
            Classifier::Maxmargin => {
                let (fit, scores) = self.fit(split, &Linearly::Margin, progress).await?;
                let both = |i: usize, k: usize| if k == 1 { scores[(i, 0)] } else { -scores[(i, 0)] };
                let scores = if scores.ncols() == 1 { Mat::from_fn(scores.nrows(), 2, both) } else { scores };
                Ok((scores, Some(fit.info)))
            }
        }
    }

    /// Twice the negative distances, but for what is the same for all classes: 2 x'c - |c|^2.
    async fn prototypes(&self, split: &Split) -> Result<Mat<f64>, Error> {
        let n_train = split.train.len() / self.n_classes;
        let mut centers = Mat::zeros(self.x.nrows(), self.n_classes);
        for (i, &column) in split.train.iter().enumerate() {
            let to = centers.col_as_slice_mut(i / n_train).iter_mut();
            to.zip(self.x.col_as_slice(column)).for_each(|(to, v)| *to += v / stats::count(n_train));
        }
        let norms: Vec<f64> = (0..self.n_classes).map(|k| stats::dot(centers.col_as_slice(k), centers.col_as_slice(k))).collect();
        let mut scores = self.device.cross(self.columns(&split.test).as_ref(), centers.as_ref()).await?;
        for (k, norm) in norms.iter().enumerate() {
            scores.col_as_slice_mut(k).iter_mut().for_each(|s| *s = 2.0 * *s - norm);
        }
        Ok(scores)
    }

    async fn fit(&self, split: &Split, how: &Linearly, progress: &dyn Progress) -> Result<(Linear, Mat<f64>), Error> {
        let k = self.n_classes;
        let as_they_are = matches!(how, Linearly::Margin);
        if split.train.len() > self.x.nrows() {
            let raw = |columns: &[usize]| if as_they_are { self.uncentered(columns) } else { self.columns(columns) };
            let train = raw(&split.train);
            let fit = match how {
                Linearly::Logistic => logistic::fit(train.transpose(), &split.codes, k, &logistic::Options::default(), progress)?,
                Linearly::Margin => margin::fit(train.transpose(), &split.codes, k, &margin::Options::default(), progress)?,
            };
            let scores = fit.scores(raw(&split.test).transpose());
            return Ok((fit, scores));
        }
        let (mut gram, mut cross) = match &self.gram {
            Some(all) => (block(all.as_ref(), &split.train, &split.train), block(all.as_ref(), &split.test, &split.train)),
            None => {
                let train = self.columns(&split.train);
                let gram = self.device.gram_columns(train.as_ref()).await?;
                (gram, self.device.cross(self.columns(&split.test).as_ref(), train.as_ref()).await?)
            }
        };
        let fit = match how {
            Linearly::Logistic => logistic::fit_gram(gram, &split.codes, k, &logistic::Options::default(), progress)?,
            Linearly::Margin => {
                // Its intercept is penalized: it sees the features as they are.
                let along = |columns: &[usize]| columns.iter().map(|&j| stats::dot(&self.mean, self.x.col_as_slice(j))).collect();
                let (train, test): (Vec<f64>, Vec<f64>) = (along(&split.train), along(&split.test));
                let size = stats::dot(&self.mean, &self.mean);
                shift(&mut gram, &train, &train, size);
                shift(&mut cross, &test, &train, size);
                margin::fit_gram(gram, &split.codes, k, &margin::Options::default(), progress)?
            }
        };
        let scores = fit.scores(cross.as_ref());
        Ok((fit, scores))
    }

    fn columns(&self, chosen: &[usize]) -> Mat<f64> {
        let mut out = Mat::zeros(self.x.nrows(), chosen.len());
        for (to, &from) in chosen.iter().enumerate() {
            out.col_as_slice_mut(to).copy_from_slice(self.x.col_as_slice(from));
        }
        out
    }

    fn uncentered(&self, chosen: &[usize]) -> Mat<f64> {
        let mut out = self.columns(chosen);
        for j in 0..out.ncols() {
            out.col_as_slice_mut(j).iter_mut().zip(&self.mean).for_each(|(v, m)| *v += m);
        }
        out
    }

    /// Held-out samples against the truth, class after class.
    fn ranked(&self, scores: &Mat<f64>, n_test: usize) -> Result<Vec<Ranked>, Error> {
        if !scores.is_all_finite() {
            let message = "the scores overflow; scale the features down (divide by their largest value)";
            return Err(Error::Numerical { what: "few-shot".into(), message: message.into() });
        }
        Ok((0..scores.nrows()).map(|i| rank((0..self.n_classes).map(|k| scores[(i, k)]), i / n_test)).collect())
    }
}

enum Linearly {
    Logistic,
    Margin,
}

fn block(m: MatRef<'_, f64>, rows: &[usize], columns: &[usize]) -> Mat<f64> {
    let mut out = Mat::zeros(rows.len(), columns.len());
    for (to, &j) in columns.iter().enumerate() {
        let from = m.col(j);
        out.col_as_slice_mut(to).iter_mut().zip(rows).for_each(|(v, &i)| *v = from[i]);
    }
    out
}

/// Inner products of x + m and y + m from those of x and y: x'm, y'm and m'm are added.
fn shift(products: &mut Mat<f64>, rows: &[f64], columns: &[f64], size: f64) {
    for (j, column) in columns.iter().enumerate() {
        products.col_as_slice_mut(j).iter_mut().zip(rows).for_each(|(v, row)| *v += row + column + size);
    }
}
