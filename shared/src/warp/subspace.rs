//! A random subspace of all parameters of a network, with scalers for groups of them.

use serde::{Deserialize, Serialize};

use super::Fastfood;
use super::hadamard::Real;
use crate::{Error, parallel};

/// Parameters that share a scaler: those whose dotted names begin with one of the prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Group {
    /// Of the names, at dot boundaries: `layer1` fits `layer1.0.conv1.weight`, not `layer10.weight`.
    pub prefixes: Vec<String>,
}

/// Changes of parameters as a function of few values.
///
/// # Definition
/// The change of each tensor is the scaler of its group times F(theta): F is a [`Fastfood`] map of its own, its group the first that its name fits. There are d values to train:
/// the m scalers (SAID; without groups none, DID) and theta. At the start theta is 0 and the scalers are 1, so that nothing is changed.
///
/// # Source
/// Li et al. 2018 (DID), Aghajanyan et al. 2020 (SAID).
#[derive(Debug, Clone)]
pub struct Subspace {
    maps: Vec<Fastfood>,
    groups: Vec<usize>,
    n_groups: usize,
    d_theta: usize,
}

/// Gradients of what is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients<T> {
    /// For theta.
    pub theta: Vec<T>,
    /// For the scalers; empty without groups.
    pub scalers: Vec<T>,
}

impl Subspace {
    /// For tensors of these names and lengths, in their order; `d` counts the scalers.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a name that fits no group, and for no dimensions beside the scalers.
    pub fn new(tensors: &[(String, usize)], d: usize, groups: &[Group], seed: u64) -> Result<Self, Error> {
        let d_theta = d.checked_sub(groups.len()).filter(|d| *d > 0).ok_or_else(|| {
            Error::parameter("dims", format!("{d} dimensions for {} scalers of groups: there must be more", groups.len()))
        })?;
        let group = |name: &str| {
            let fits = |group: &Group| {
                group
                    .prefixes
                    .iter()
                    .any(|prefix| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
            };
            let found = groups.iter().position(fits);
            found.ok_or_else(|| Error::parameter("groups", format!("the parameter \"{name}\" fits no group; name a prefix of it in one")))
        };
        let of = if groups.is_empty() {
            vec![0; tensors.len()]
        } else {
            tensors.iter().map(|(name, _)| group(name)).collect::<Result<_, _>>()?
        };
        let map = |(i, (_, n)): (usize, &(String, usize))| Fastfood::new(seed, i as u64, d_theta, *n);
        let maps = tensors.iter().enumerate().map(map).collect::<Result<_, _>>()?;
        Ok(Self { maps, groups: of, n_groups: groups.len(), d_theta })
    }

    /// Values of theta.
    #[must_use]
    pub fn d_theta(&self) -> usize {
        self.d_theta
    }

    /// Number of scalers.
    #[must_use]
    pub fn n_scalers(&self) -> usize {
        self.n_groups
    }

    /// The change of each tensor.
    ///
    /// # Panics
    /// If there are other numbers of values or scalers: a defect of the caller.
    #[must_use]
    pub fn changes<T: Real>(&self, theta: &[T], scalers: &[T]) -> Vec<Vec<T>> {
        assert_eq!(scalers.len(), self.n_groups, "one scaler for each group");
        let scaled = |(map, group): (&Fastfood, &usize)| {
            let mut change = map.apply(theta);
            if let Some(scaler) = scalers.get(*group) {
                change.iter_mut().for_each(|v| *v = *v * *scaler);
            }
            change
        };
        parallel::map(self.maps.len(), |i| scaled((&self.maps[i], &self.groups[i])))
    }

    /// From the gradients of each tensor to those of theta and the scalers.
    ///
    /// # Panics
    /// If there are other numbers of values, scalers or tensors: a defect of the caller.
    #[must_use]
    pub fn gradients<T: Real>(&self, theta: &[T], scalers: &[T], of_tensors: &[&[T]]) -> Gradients<T> {
        assert_eq!((scalers.len(), of_tensors.len()), (self.n_groups, self.maps.len()), "scalers and tensors");
        let mut out = Gradients { theta: vec![T::default(); self.d_theta], scalers: vec![T::default(); self.n_groups] };
        // Sums of many products: in double precision.
        let mut of_scalers = vec![0.0; self.n_groups];
        let all = parallel::map(self.maps.len(), |i| self.maps[i].transpose(of_tensors[i]));
        for (back, group) in all.into_iter().zip(&self.groups) {
            let scaler = scalers.get(*group).copied().unwrap_or_else(|| T::of(1.0));
            for (out, back) in out.theta.iter_mut().zip(&back) {
                *out = *out + scaler * *back;
            }
            if let Some(sum) = of_scalers.get_mut(*group) {
                // <g, F theta> = <F' g, theta>: no other transform is needed.
                *sum += back.iter().zip(theta).map(|(a, b)| a.double() * b.double()).sum::<f64>();
            }
        }
        out.scalers = of_scalers.into_iter().map(T::of).collect();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn tensors() -> Vec<(String, usize)> {
        [("conv1.weight", 27), ("bn1.bias", 3), ("layer1.0.weight", 64), ("layer10.weight", 5)].map(|(n, k)| (n.to_owned(), k)).into()
    }

    fn groups() -> Vec<Group> {
        let group = |prefixes: &[&str]| Group { prefixes: prefixes.iter().map(|p| (*p).into()).collect() };
        vec![group(&["conv1", "bn1"]), group(&["layer1", "layer10"])]
    }

    #[test]
    fn nothing_is_changed_at_the_start() {
        let space = Subspace::new(&tensors(), 12, &groups(), 3).expect("fits");
        assert_eq!((space.d_theta(), space.n_scalers()), (10, 2));
        let start = space.changes(&[0.0f32; 10], &[1.0; 2]);
        assert!(start.iter().flatten().all(|v| *v == 0.0) && start.len() == 4);
        let g: Vec<Vec<f32>> = tensors().iter().map(|(_, n)| vec![1.0; *n]).collect();
        let g: Vec<&[f32]> = g.iter().map(Vec::as_slice).collect();
        assert_eq!(space.gradients(&[0.0; 10], &[1.0; 2], &g).scalers, [0.0, 0.0], "scalers of nothing do nothing");
    }

    /// The loss is a sum of fourth powers of parameters around random ones: its gradient there is known, its differences are taken.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = Stream::new(8, 0);
        let start: Vec<Vec<f64>> = tensors().iter().map(|(_, n)| (0..*n).map(|_| rng.normal()).collect()).collect();
        for groups in [groups(), Vec::new()] {
            let space = Subspace::new(&tensors(), 9, &groups, 3).expect("fits");
            let theta: Vec<f64> = (0..space.d_theta()).map(|_| rng.normal()).collect();
            let scalers: Vec<f64> = (0..groups.len()).map(|k| 0.7 + k as f64).collect();
            let moved = |theta: &[f64], scalers: &[f64]| -> Vec<Vec<f64>> {
                let changes = space.changes(theta, scalers);
                start.iter().zip(changes).map(|(s, c)| s.iter().zip(c).map(|(s, c)| s + c).collect()).collect()
            };
            let loss = |theta: &[f64], scalers: &[f64]| moved(theta, scalers).iter().flatten().map(|v| v.powi(4)).sum::<f64>();
            let g: Vec<Vec<f64>> = moved(&theta, &scalers).iter().map(|t| t.iter().map(|v| 4.0 * v.powi(3)).collect()).collect();
            let g: Vec<&[f64]> = g.iter().map(Vec::as_slice).collect();
            let got = space.gradients(&theta, &scalers, &g);
            let step = 1e-6;
            for k in 0..theta.len() + scalers.len() {
                let at = |by: f64| {
                    let (mut theta, mut scalers) = (theta.clone(), scalers.clone());
                    if k < theta.len() {
                        theta[k] += by;
                    } else {
                        scalers[k - theta.len()] += by;
                    }
                    loss(&theta, &scalers)
                };
                let want = (at(step) - at(-step)) / (2.0 * step);
                let got = if k < theta.len() { got.theta[k] } else { got.scalers[k - theta.len()] };
                // The error of the difference: third derivatives times 1e-12, and rounding of a loss of some hundreds over 2e-6.
                assert!((got - want).abs() < 1e-6 * want.abs().max(1.0), "{k}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn every_parameter_has_a_group() {
        let one = vec![Group { prefixes: vec!["conv1".into(), "bn1".into(), "layer1".into()] }];
        let message = Subspace::new(&tensors(), 9, &one, 3).expect_err("layer10 is not layer1").to_string();
        assert!(message.contains("layer10.weight"), "{message}");
        assert!(Subspace::new(&tensors(), 2, &groups(), 3).is_err(), "nothing beside the scalers");
    }
}
