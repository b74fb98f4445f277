//! What new, renamed and removed datasets do to the specs.

use eigenscope::analysis::warp::Objective;
use eigenscope::analysis::{encoding, rdm};
use eigenscope::warp::Split;
use leptos::prelude::*;

use super::{Form, Kind};
use crate::state::Dataset;

impl Form {
    /// Offers a dataset with named columns and labels of rows as a table.
    pub(crate) fn offer_table(self, name: &str) {
        self.relation.update(|s| append(&mut s.tables, name));
    }

    /// Offers a new dataset of labels to analyses of classes.
    pub(crate) fn offer_labels(self, name: &str) {
        self.manifolds.update(|s| fill(&mut s.labels.input, name));
        self.few_shot.update(|s| fill(&mut s.labels.input, name));
        self.probe.update(|s| fill(&mut s.labels.input, name));
        self.projection.update(|s| fill(&mut s.labels.input, name));
    }

    /// Offers a new network to inputs that are still empty; when it is the first dataset, its profile is what to do next.
    pub(crate) fn offer_network(self, name: &str) {
        self.extraction.update(|s| fill(&mut s.network, name));
        self.profile_extraction.update(|s| fill(&mut s.network, name));
        self.warp_extraction.update(|s| fill(&mut s.network, name));
        if self.datasets.with_untracked(|all| all.iter().all(|d| !d.is_array())) {
            self.kind.set(Kind::LayerProfile);
        }
    }

    /// Offers new images to inputs that are still empty.
    pub(crate) fn offer_images(self, name: &str) {
        self.extraction.update(|s| fill(&mut s.images, name));
        self.profile_extraction.update(|s| fill(&mut s.images, name));
        self.warp_extraction.update(|s| fill(&mut s.images, name));
        self.offer_objective();
    }

    /// Offers the first dataset with a row for each image as what networks are warped to, while nothing is chosen.
    fn offer_objective(self) {
        let images = self.warp_extraction.with_untracked(|s| s.images.clone());
        let (mut n_images, mut found) = (None, None);
        self.datasets.with_untracked(|all| {
            n_images = all.iter().find(|d| d.name.with_untracked(|n| *n == images)).and_then(rows);
            let fits = |d: &&Dataset| {
                let shape = d.summary.with_untracked(|s| s.shape.clone());
                let has_rows = shape.first().copied() == n_images || (is_rdm(&shape) && shape.last().copied() == n_images);
                untrack(|| d.is_array()) && has_rows && d.name.with_untracked(|n| *n != images)
            };
            found = all.iter().find(fits).map(|d| (d.name.get_untracked(), d.summary.with_untracked(|s| s.shape.clone())));
        });
        if let (Some(_), Some((name, shape))) = (n_images, found) {
            self.warp.update(|s| match s.objectives.as_mut_slice() {
                [first @ Objective::Encoding(_)] if first.input().is_empty() => {
                    *first = if is_rdm(&shape) { Objective::Rsa(name) } else { Objective::Encoding(name) };
                }
                _ => {}
            });
        }
    }

    /// Offers a new dataset to inputs that are still empty.
    pub(crate) fn offer(self, name: &str, shape: &[u64]) {
        let square = shape.len() >= 2 && shape[shape.len() - 1] == shape[shape.len() - 2];
        self.dimensionality.update(|s| append(&mut s.inputs, name));
        if matches!(shape, [_, _, _, n] if *n > 1) {
            self.searchlight_rdm.update(|s| fill(&mut s.input, name));
        }
        self.searchlight.update(|s| match shape {
            [_, _, _, n] if *n > 1 => {}
            [_, _, _] | [_, _, _, _] if !square => {
                s.mask.get_or_insert_with(|| name.into());
            }
            [_, _] if square && s.models.is_empty() => s.models.push(name.into()),
            _ => {}
        });
        if !square {
            self.shape_distance.update(|s| append(&mut s.inputs, name));
            self.shape_average.update(|s| append(&mut s.inputs, name));
            self.shape_path.update(|s| {
                let field = if s.x.is_empty() { &mut s.x } else { &mut s.y };
                if field.is_empty() { field.push_str(name) } else { append(&mut s.others, name) }
            });
            if shape.len() == 3 {
                self.stochastic_distance.update(|s| append(&mut s.inputs, name));
            }
            self.similarity.update(|s| fill(if s.x.is_empty() { &mut s.x } else { &mut s.y }, name));
            self.rdm.update(|s| fill(&mut s.input, name));
            self.tuning.update(|s| fill(&mut s.input, name));
            self.manifolds.update(|s| fill(&mut s.features, name));
            self.few_shot.update(|s| fill(&mut s.features, name));
            self.probe.update(|s| append(&mut s.layers, name));
            self.projection.update(|s| fill(&mut s.features, name));
            self.encoding.update(|s| fill(if s.features.is_empty() { &mut s.features } else { &mut s.targets }, name));
            self.dimension_use.update(|s| fill(if s.features.is_empty() { &mut s.features } else { &mut s.targets }, name));
        } else {
            self.embedding.update(|s| fill(&mut s.input, name));
            self.clustering.update(|s| fill(&mut s.input, name));
            self.rdm_pool.update(|s| append(&mut s.inputs, name));
            self.layer_profile.update(|s| {
                s.rdms.get_or_insert_with(|| name.into());
            });
            if self.rdm_comparison.with_untracked(|s| s.data.is_empty()) {
                self.rdm_comparison.update(|s| s.data.push(name.into()));
            }
        }
        self.offer_objective();
    }

    /// Follows a dataset that was renamed (`Some`) or removed (`None`) in every spec.
    pub(crate) fn follow(self, old: &str, new: Option<&str>) {
        let list = |names: &mut Vec<String>| match new {
            Some(new) => names.iter_mut().filter(|n| *n == old).for_each(|n| *n = new.into()),
            None => names.retain(|n| n != old),
        };
        let one = |name: &mut String| {
            if name == old {
                *name = new.unwrap_or_default().into();
            }
        };
        let option = |name: &mut Option<String>| {
            if name.as_deref() == Some(old) {
                *name = new.map(Into::into);
            }
        };
        self.dimensionality.update(|s| {
            list(&mut s.inputs);
            option(&mut s.zca);
            s.labels.iter_mut().for_each(|labels| one(&mut labels.input));
        });
        self.manifolds.update(|s| {
            one(&mut s.features);
            one(&mut s.labels.input);
        });
        self.shape_distance.update(|s| {
            list(&mut s.inputs);
            list(&mut s.against);
        });
        self.extraction.update(|s| {
            one(&mut s.network);
            one(&mut s.images);
        });
        self.profile_extraction.update(|s| {
            one(&mut s.network);
            one(&mut s.images);
        });
        self.warp_extraction.update(|s| {
            one(&mut s.network);
            one(&mut s.images);
        });
        self.warp.update(|s| {
            s.models.iter_mut().for_each(|model| {
                one(&mut model.extraction.network);
                one(&mut model.extraction.images);
            });
            s.objectives.iter_mut().for_each(|objective| match objective {
                Objective::Encoding(name) | Objective::Rsa(name) => one(name),
                Objective::Classes(labels) => one(&mut labels.input),
            });
            if let Split::Given(name) = &mut s.split {
                one(name);
            }
        });
        self.orientation.update(|s| {
            option(&mut s.responses);
            one(&mut s.stimuli.input);
        });
        self.layer_profile.update(|s| {
            option(&mut s.rdms);
            option(&mut s.targets);
        });
        self.shape_average.update(|s| list(&mut s.inputs));
        self.shape_path.update(|s| {
            one(&mut s.x);
            one(&mut s.y);
            list(&mut s.others);
        });
        self.stochastic_distance.update(|s| {
            list(&mut s.inputs);
            list(&mut s.covariances);
        });
        self.similarity.update(|s| {
            one(&mut s.x);
            one(&mut s.y);
        });
        self.clustering.update(|s| one(&mut s.input));
        self.relation.update(|s| list(&mut s.tables));
        let of_rdm = |s: &mut rdm::Spec| {
            one(&mut s.input);
            option(&mut s.precision);
            s.conditions.iter_mut().chain(&mut s.folds).for_each(|labels| one(&mut labels.input));
            if let Some(noise) = &mut s.noise {
                option(&mut noise.residuals);
                noise.runs.iter_mut().for_each(|labels| one(&mut labels.input));
            }
        };
        self.rdm.update(of_rdm);
        self.searchlight_rdm.update(of_rdm);
        self.searchlight.update(|s| {
            option(&mut s.mask);
            list(&mut s.models);
        });
        self.rdm_comparison.update(|s| {
            list(&mut s.data);
            list(&mut s.models);
            option(&mut s.sigma_k);
            s.flexible.iter_mut().for_each(|model| list(&mut model.rdms));
            s.inference.groups.iter_mut().for_each(|labels| one(&mut labels.input));
        });
        self.embedding.update(|s| one(&mut s.input));
        self.tuning.update(|s| {
            one(&mut s.input);
            one(&mut s.stimuli.input);
        });
        self.rdm_pool.update(|s| {
            list(&mut s.inputs);
            s.conditions.iter_mut().for_each(|labels| one(&mut labels.input));
        });
        self.few_shot.update(|s| {
            one(&mut s.features);
            one(&mut s.labels.input);
        });
        self.probe.update(|s| {
            list(&mut s.layers);
            one(&mut s.labels.input);
            one(&mut s.targets);
            s.cv.iter_mut().filter_map(encoding::Cv::input_mut).for_each(one);
        });
        self.projection.update(|s| {
            one(&mut s.features);
            one(&mut s.labels.input);
        });
        self.encoding.update(|s| {
            one(&mut s.features);
            one(&mut s.targets);
            s.cv.input_mut().into_iter().for_each(one);
            if let encoding::Model::BandedRidge { bands, .. } = &mut s.model {
                list(bands);
            }
            s.pca.iter_mut().for_each(|pca| option(&mut pca.reference));
            option(&mut s.repetitions);
        });
        self.dimension_use.update(|s| {
            one(&mut s.features);
            one(&mut s.targets);
            option(&mut s.reference);
            s.cv.input_mut().into_iter().for_each(one);
        });
        self.variance_partition.update(|s| {
            list(&mut s.spaces);
            one(&mut s.targets);
            s.cv.iter_mut().filter_map(encoding::Cv::input_mut).for_each(one);
        });
    }
}

/// Its first axis.
fn rows(dataset: &Dataset) -> Option<u64> {
    dataset.summary.with_untracked(|s| s.shape.first().copied())
}

/// An RDM, or several of the same conditions.
fn is_rdm(shape: &[u64]) -> bool {
    matches!(shape, [n, m] | [_, n, m] if n == m)
}

/// A spec from an address or a paste may name the dataset before it is loaded.
fn append(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.into());
    }
}

fn fill(field: &mut String, name: &str) {
    if field.is_empty() {
        *field = name.into();
    }
}

#[cfg(test)]
mod tests {
    use super::is_rdm;

    #[test]
    fn stacks_of_square_matrices_are_rdms() {
        assert!(is_rdm(&[92, 92]) && is_rdm(&[4, 92, 92]), "one and several");
        assert!(!is_rdm(&[92, 100]) && !is_rdm(&[92]) && !is_rdm(&[2, 3, 92, 92]), "responses, a vector, images");
    }
}
