//! One-dimensional holes of the Vietoris-Rips complex of a matrix of distances.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use faer::Mat;

use crate::disjoint::Sets;

/// Births and deaths of all 1-dimensional holes that live, over two elements; infinite distances are no edges.
///
/// # Definition
/// A set of points is a simplex from its greatest distance on. Persistent cohomology by columns: edges from the longest to the shortest, each reduced
/// until its earliest triangle is that of no other; edges that join parts are cleared, and an edge with a triangle of its own length of which it is the
/// last side is paired with it at once.
///
/// # Source
/// de Silva, Morozov & Vejdemo-Johansson 2011; Bauer 2021 (Ripser).
pub(super) fn holes(distances: &Mat<f64>) -> Vec<(f64, f64)> {
    let rips = Rips { distances };
    let n = distances.nrows();
    let mut edges: Vec<Simplex> = Vec::new();
    for i in 0..n {
        edges.extend((0..i).map(|j| rips.edge(i, j)).filter(|e| e.diameter.is_finite()));
    }
    edges.sort_unstable();
    let joins = joining(&edges, n);
    // Triangle → the edge that is paired with it, and what was added to its column.
    let mut owners: HashMap<u64, (Simplex, Vec<Simplex>)> = HashMap::new();
    let mut bars = Vec::new();
    for (edge, joins) in edges.iter().zip(joins).rev() {
        if joins || rips.apparent_triangle(*edge).is_some() {
            continue;
        }
        let mut column = BinaryHeap::new();
        let mut added: Vec<Simplex> = Vec::new();
        rips.add_coboundary(*edge, &mut column);
        while let Some(pivot) = pivot(&mut column) {
            let owner = match owners.get(&pivot.index) {
                Some((owner, with)) => {
                    added.extend(with);
                    with.iter().for_each(|e| rips.add_coboundary(*e, &mut column));
                    Some(*owner)
                }
                None => rips.apparent_edge(pivot),
            };
            column.push(Reverse(pivot));
            match owner {
                Some(owner) => {
                    added.push(owner);
                    rips.add_coboundary(owner, &mut column);
                }
                None => {
                    if pivot.diameter > edge.diameter {
                        bars.push((edge.diameter, pivot.diameter));
                    }
                    owners.insert(pivot.index, (*edge, odd(added)));
                    break;
                }
            }
        }
        // A column without a triangle left never closes: not in a complex with an apex over all of it.
    }
    bars
}

/// A simplex: filtration goes by diameter, then from great to small index.
#[derive(Debug, Clone, Copy)]
struct Simplex {
    diameter: f64,
    index: u64,
}

impl PartialEq for Simplex {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Simplex {}

impl PartialOrd for Simplex {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Simplex {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.diameter.total_cmp(&other.diameter).then(other.index.cmp(&self.index))
    }
}

/// Each simplex that is there an odd number of times, once.
fn odd(mut simplices: Vec<Simplex>) -> Vec<Simplex> {
    simplices.sort_unstable();
    let mut out: Vec<Simplex> = Vec::with_capacity(simplices.len());
    for simplex in simplices {
        if out.last() == Some(&simplex) {
            out.pop();
        } else {
            out.push(simplex);
        }
    }
    out
}

/// The earliest triangle that is there an odd number of times, taken out.
fn pivot(column: &mut BinaryHeap<Reverse<Simplex>>) -> Option<Simplex> {
    while let Some(Reverse(first)) = column.pop() {
        if column.peek().is_some_and(|Reverse(next)| *next == first) {
            column.pop();
        } else {
            return Some(first);
        }
    }
    None
}

/// Which edges, in their order, join two parts.
fn joining(edges: &[Simplex], n: usize) -> Vec<bool> {
    let mut sets = Sets::new(n);
    edges
        .iter()
        .map(|edge| {
            let [i, j] = ends(edge.index);
            sets.join(i, j)
        })
        .collect()
}

fn pairs(i: u64) -> u64 {
    i * i.saturating_sub(1) / 2
}

fn triples(i: u64) -> u64 {
    i * i.saturating_sub(1) * i.saturating_sub(2) / 6
}

/// The greatest i with `count(i) <= index`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a first guess, corrected below")]
fn greatest(index: u64, guess: f64, count: fn(u64) -> u64) -> u64 {
    let mut i = guess.max(0.0) as u64;
    while count(i + 1) <= index {
        i += 1;
    }
    while count(i) > index {
        i -= 1;
    }
    i
}

/// The points of an edge, the greater first.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "indices of points of a matrix in memory")]
fn ends(index: u64) -> [usize; 2] {
    let i = greatest(index, (2.0 * index as f64).sqrt(), pairs);
    [i as usize, (index - pairs(i)) as usize]
}

/// The points of a triangle, the greatest first.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "indices of points of a matrix in memory")]
fn corners(index: u64) -> [usize; 3] {
    let i = greatest(index, (6.0 * index as f64).cbrt(), triples);
    let [j, k] = ends(index - triples(i));
    [i as usize, j, k]
}

struct Rips<'a> {
    distances: &'a Mat<f64>,
}

impl Rips<'_> {
    fn edge(&self, i: usize, j: usize) -> Simplex {
        let (i, j) = (i.max(j), i.min(j));
        Simplex { diameter: self.distances[(i, j)], index: pairs(i as u64) + j as u64 }
    }

    fn triangle(&self, [i, j]: [usize; 2], k: usize, diameter: f64) -> Simplex {
        let longest = diameter.max(self.distances[(i, k)]).max(self.distances[(j, k)]);
        let (mut a, mut b, mut c) = (i, j, k);
        if c > b {
            (b, c) = (c, b);
        }
        if b > a {
            (a, b) = (b, a);
        }
        Simplex { diameter: longest, index: triples(a as u64) + pairs(b as u64) + c as u64 }
    }

    /// Triangles on an edge, from the greatest index to the smallest.
    fn triangles(&self, edge: Simplex) -> impl Iterator<Item = Simplex> + '_ {
        let at = ends(edge.index);
        let others = (0..self.distances.nrows()).rev().filter(move |k| !at.contains(k));
        others.map(move |k| self.triangle(at, k, edge.diameter)).filter(|t| t.diameter.is_finite())
    }

    fn add_coboundary(&self, edge: Simplex, column: &mut BinaryHeap<Reverse<Simplex>>) {
        column.extend(self.triangles(edge).map(Reverse));
    }

    /// The first triangle of an edge's own length, if the edge is its last side.
    fn apparent_triangle(&self, edge: Simplex) -> Option<Simplex> {
        #[expect(clippy::float_cmp, reason = "the same stored number")]
        let first = self.triangles(edge).find(|t| t.diameter == edge.diameter)?;
        (self.last_side(first) == edge).then_some(first)
    }

    /// The edge that is paired with a triangle at once.
    fn apparent_edge(&self, triangle: Simplex) -> Option<Simplex> {
        let edge = self.last_side(triangle);
        (self.apparent_triangle(edge)? == triangle).then_some(edge)
    }

    fn last_side(&self, triangle: Simplex) -> Simplex {
        let [i, j, k] = corners(triangle.index);
        self.edge(i, j).max(self.edge(i, k)).max(self.edge(j, k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// By a boundary matrix of all edges and triangles.
    fn plain(distances: &Mat<f64>) -> Vec<(f64, f64)> {
        let n = distances.nrows();
        let mut edges: Vec<(f64, [usize; 2])> =
            (0..n).flat_map(|i| (0..i).map(move |j| [j, i])).map(|at| (distances[(at[0], at[1])], at)).collect();
        edges.retain(|e| e.0.is_finite());
        edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let place = |i: usize, j: usize| edges.iter().position(|e| e.1 == [i, j]);
        let mut triangles = Vec::new();
        for i in 0..n {
            for j in i + 1..n {
                for k in j + 1..n {
                    if let (Some(a), Some(b), Some(c)) = (place(i, j), place(i, k), place(j, k)) {
                        let mut sides = vec![a, b, c];
                        sides.sort_unstable();
                        triangles.push((edges[sides[2]].0, sides));
                    }
                }
            }
        }
        triangles.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut columns: Vec<Option<Vec<usize>>> = vec![None; edges.len()];
        let mut bars = Vec::new();
        for (death, mut column) in triangles {
            while let Some(&last) = column.last() {
                let Some(other) = &columns[last] else {
                    if death > edges[last].0 {
                        bars.push((edges[last].0, death));
                    }
                    columns[last] = Some(column);
                    break;
                };
                let mut both: Vec<usize> =
                    column.iter().filter(|e| !other.contains(e)).chain(other.iter().filter(|e| !column.contains(e))).copied().collect();
                both.sort_unstable();
                column = both;
            }
        }
        bars.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        bars
    }

    #[test]
    fn bars_are_those_of_the_whole_boundary_matrix() {
        for seed in 0..12 {
            let mut rng = Stream::new(seed, 0);
            let n = 14;
            // Points in a plane, or any numbers, some of them equal.
            let points: Vec<[f64; 2]> = (0..n).map(|_| [rng.normal(), rng.normal()]).collect();
            let mut distances = Mat::<f64>::zeros(n, n);
            for i in 0..n {
                for j in 0..i {
                    let between = (points[i][0] - points[j][0]).hypot(points[i][1] - points[j][1]);
                    let value = if seed % 2 == 0 { between } else { (8.0 * rng.uniform()).floor() };
                    (distances[(i, j)], distances[(j, i)]) = (value, value);
                }
            }
            let mut found = holes(&distances);
            found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
            assert_eq!(found, plain(&distances), "seed {seed}");
        }
    }

    #[test]
    fn indices_name_their_points() {
        for i in 0..30u64 {
            for j in 0..i {
                assert_eq!(ends(pairs(i) + j), [usize::try_from(i).expect("small"), usize::try_from(j).expect("small")]);
            }
        }
        assert_eq!(corners(triples(900) + pairs(17) + 3), [900, 17, 3]);
    }
}
