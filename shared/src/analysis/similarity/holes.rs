//! Holes in clouds of rows: how long how many of them live.

use faer::Mat;

use super::side::Side;
use crate::Error;
use crate::disjoint::Sets;
use crate::parallel;
use crate::progress::Progress;
use crate::rng::Stream;
use crate::stats::count;

/// Numbers of holes that are told apart: 0 to 99.
const MOST_HOLES: usize = 100;

/// The squared difference of mean relative living times of holes.
///
/// # Definition
/// For random landmarks of the rows (with replacement, the same choice for both sets): the witness complex, in which a simplex of landmarks appears at
/// `max(its faces, min_w max(0, max_(p in s) d(w, p) - min_(q not in s) d(w, q)))` over rows w, up to `alpha = gamma max d`, `gamma = (1/128) / (n/5000)`. The
/// relative living time of i is the share of `[0, alpha]` in which the first Betti number (over two elements) is i, i below 100. Averaged over `repeats`;
/// the sum of squared differences.
///
/// # Cost
/// Per repeat: n x landmarks distances, sorted; simplices of a witness are among its nearest landmarks.
///
/// # Source
/// Khrulkov & Oseledets 2018; its code has other defaults for `gamma` by release: `(1/128) / (n/5000)` here.
pub(super) fn geometry_score(
    x: &Side,
    y: &Side,
    landmarks: usize,
    repeats: usize,
    seed: u64,
    progress: &dyn Progress,
) -> Result<f64, Error> {
    let mut sums = vec![0.0; MOST_HOLES];
    let at_once = 16 * parallel::threads();
    for start in (0..repeats).step_by(at_once) {
        progress.step(count(start) / count(repeats), &format!("geometry score, repeat {} of {repeats}", start + 1))?;
        let some = parallel::map(at_once.min(repeats - start), |i| {
            let mut rng = Stream::new(seed, (start + i) as u64);
            let chosen: Vec<usize> = (0..landmarks).map(|_| rng.below(x.n())).collect();
            let times = |side: &Side| living_times(side.distances(), &chosen);
            times(x).iter().zip(times(y)).map(|(a, b)| a - b).collect::<Vec<f64>>()
        });
        for difference in some {
            sums.iter_mut().zip(difference).for_each(|(sum, d)| *sum += d / count(repeats));
        }
    }
    Ok(sums.iter().map(|d| d * d).sum())
}

/// Shares of `[0, alpha]` with 0, 1, 2, … holes.
pub(super) fn living_times(distances: &Mat<f64>, chosen: &[usize]) -> Vec<f64> {
    let n = count(distances.nrows());
    let most = chosen.iter().flat_map(|l| distances.col_as_slice(*l)).copied().fold(0.0, f64::max);
    let alpha = most * (1.0 / 128.0) / (n / 5000.0);
    let bars = Complex::of(distances, chosen, alpha).holes();
    let mut times = vec![0.0; MOST_HOLES];
    if alpha <= 0.0 {
        times[0] = 1.0;
        return times;
    }
    let mut ends: Vec<f64> = bars.iter().flat_map(|(a, b)| [*a, b.min(alpha)]).chain([0.0, alpha]).collect();
    ends.sort_by(f64::total_cmp);
    for part in ends.windows(2) {
        let middle = f64::midpoint(part[0], part[1]);
        let holes = bars.iter().filter(|(a, b)| *a <= middle && middle < *b).count();
        if holes < MOST_HOLES {
            times[holes] += (part[1] - part[0]) / alpha;
        }
    }
    times
}

/// Vertices, edges and triangles by the value at which they appear.
struct Complex {
    vertices: Vec<f64>,
    edges: Vec<(f64, [usize; 2])>,
    triangles: Vec<(f64, [usize; 3])>,
}

impl Complex {
    /// The witness complex up to alpha.
    fn of(distances: &Mat<f64>, chosen: &[usize], alpha: f64) -> Self {
        let l = chosen.len();
        let mut vertices = vec![f64::INFINITY; l];
        let mut edges = Mat::from_fn(l, l, |_, _| f64::INFINITY);
        // By corners i < j < k, at (i l + j) l + k.
        let mut triangles = vec![f64::INFINITY; l * l * l];
        let mut order: Vec<usize> = Vec::with_capacity(l);
        for w in 0..distances.nrows() {
            let d = |i: usize| distances[(w, chosen[i])];
            order.clear();
            order.extend(0..l);
            order.sort_by(|a, b| d(*a).total_cmp(&d(*b)).then(a.cmp(b)));
            // The nearest landmark outside of a simplex is one of the first four: farther ones belong to none.
            let limit = d(order[3.min(l - 1)]) + alpha;
            let near = order.iter().take_while(|i| d(**i) <= limit).count();
            // Positions ascend, so that the last is the farthest.
            for a in 0..near {
                let value = excess(&[a], |at| d(order[at]), l);
                vertices[order[a]] = vertices[order[a]].min(value);
                for b in a + 1..near {
                    let value = excess(&[a, b], |at| d(order[at]), l);
                    let (i, j) = (order[a].min(order[b]), order[a].max(order[b]));
                    if value <= alpha {
                        edges[(i, j)] = edges[(i, j)].min(value);
                    }
                    for c in b + 1..near {
                        let value = excess(&[a, b, c], |at| d(order[at]), l);
                        if value > alpha {
                            break;
                        }
                        let mut corner = [order[a], order[b], order[c]];
                        corner.sort_unstable();
                        let known = &mut triangles[(corner[0] * l + corner[1]) * l + corner[2]];
                        *known = value.min(*known);
                    }
                }
            }
        }
        let pairs = (0..l).flat_map(|i| (i + 1..l).map(move |j| [i, j]));
        let mut out = Self { vertices, edges: Vec::new(), triangles: Vec::new() };
        let edge = |[i, j]: [usize; 2], vertices: &[f64]| edges[(i, j)].max(vertices[i]).max(vertices[j]);
        out.edges = pairs.map(|at| (edge(at, &out.vertices), at)).filter(|(value, _)| *value <= alpha).collect();
        let of_faces =
            |[i, j, k]: [usize; 3]| edge([i, j], &out.vertices).max(edge([i, k], &out.vertices)).max(edge([j, k], &out.vertices));
        let found = triangles
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_finite())
            .map(|(at, value)| (*value, [at / (l * l), at / l % l, at % l]));
        out.triangles = found.map(|(value, at)| (value.max(of_faces(at)), at)).filter(|(value, _)| *value <= alpha).collect();
        out.edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        out.triangles.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        out
    }

    /// Birth and death of every 1-dimensional hole, over two elements; infinite where it never closes.
    fn holes(&self) -> Vec<(f64, f64)> {
        let l = self.vertices.len();
        // Edges that join parts close no cycle.
        let mut sets = Sets::new(l);
        let mut is_cycle = Vec::with_capacity(self.edges.len());
        let mut place = std::collections::BTreeMap::new();
        for (n, (_, [i, j])) in self.edges.iter().enumerate() {
            place.insert([*i, *j], n);
            is_cycle.push(!sets.join(*i, *j));
        }
        let mut columns: Vec<Option<Vec<usize>>> = vec![None; self.edges.len()];
        let mut deaths = vec![f64::INFINITY; self.edges.len()];
        for (value, [i, j, k]) in &self.triangles {
            let mut column = [[*i, *j], [*i, *k], [*j, *k]].map(|side| place[&side]).to_vec();
            column.sort_unstable();
            // Reduced by the columns before, until its latest edge is that of no other.
            while let Some(&last) = column.last() {
                match &columns[last] {
                    Some(other) => column = difference(&column, other),
                    None => {
                        deaths[last] = *value;
                        columns[last] = Some(column);
                        break;
                    }
                }
            }
        }
        let bars = self.edges.iter().zip(is_cycle).zip(deaths).filter(|((_, is_cycle), _)| *is_cycle);
        bars.map(|(((birth, _), _), death)| (*birth, death)).filter(|(birth, death)| death > birth).collect()
    }
}

/// The distance of the last of these positions over that of the nearest landmark that is not among them; at least 0.
fn excess(positions: &[usize], d: impl Fn(usize) -> f64, n: usize) -> f64 {
    let outside = (0..n).find(|at| !positions.contains(at));
    let farthest = d(positions[positions.len() - 1]);
    outside.map_or(0.0, |outside| (farthest - d(outside)).max(0.0))
}

/// What is in one of two ascending lists but not in both.
fn difference(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => {
                i += 1;
                j += 1;
            }
            (Some(x), Some(y)) if x < y => {
                out.push(*x);
                i += 1;
            }
            (Some(x), None) => {
                out.push(*x);
                i += 1;
            }
            (_, Some(y)) => {
                out.push(*y);
                j += 1;
            }
            (None, None) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows on a circle, of which every landmark is one.
    fn circle(n: usize, radius: f64) -> Mat<f64> {
        let at = |i: usize| {
            let (sin, cos) = (std::f64::consts::TAU * count(i) / count(n)).sin_cos();
            [radius * cos, radius * sin]
        };
        Mat::from_fn(n, n, |i, j| {
            let (a, b) = (at(i), at(j));
            (a[0] - b[0]).hypot(a[1] - b[1])
        })
    }

    #[test]
    fn a_circle_has_one_hole_and_a_line_none() {
        let chosen: Vec<usize> = (0..12).map(|i| 5 * i).collect();
        let times = living_times(&circle(60, 1.0), &chosen);
        assert!((times.iter().sum::<f64>() - 1.0).abs() < 1e-12, "shares");
        assert!(times[1] > 0.2, "one hole for a good part: {:?}", &times[..4]);
        let bars = Complex::of(&circle(60, 1.0), &chosen, 0.5).holes();
        assert_eq!(bars.iter().filter(|(a, b)| b - a > 0.2).count(), 1, "{bars:?}");
        let line = Mat::from_fn(60, 60, |i, j| count(i.abs_diff(j)) / 60.0);
        assert!((living_times(&line, &chosen)[0] - 1.0).abs() < 1e-12, "no hole");
    }

    #[test]
    fn scales_of_a_cloud_do_not_count() {
        let chosen: Vec<usize> = (0..12).map(|i| 5 * i).collect();
        let (a, b) = (living_times(&circle(60, 1.0), &chosen), living_times(&circle(60, 8.0), &chosen));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
