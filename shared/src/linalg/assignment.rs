//! The linear assignment problem and the transportation problem.

use faer::Mat;

/// For every row a column of its own, with the least sum of costs (or the greatest).
///
/// # Definition
/// Minimizes `sum_i cost[i, column(i)]` over injective maps; rows at most as many as columns.
///
/// # Shapes
/// cost: (m, n), m <= n, finite → m columns.
///
/// # Accuracy
/// Exact but for rounding in sums of costs. Deterministic: the first of equal columns is taken.
///
/// # Cost
/// O(m^2 n).
///
/// # Source
/// Shortest augmenting paths with potentials: Jonker & Volgenant 1987; Crouse 2016.
#[must_use]
pub fn assignment(cost: &Mat<f64>, maximize: bool) -> Vec<usize> {
    let (m, n) = (cost.nrows(), cost.ncols());
    debug_assert!(m <= n, "rows at most as many as columns");
    // Row-major and as costs: each search walks along rows.
    let sign = if maximize { -1.0 } else { 1.0 };
    let costs: Vec<f64> = (0..m).flat_map(|i| (0..n).map(move |j| sign * cost[(i, j)])).collect();
    let (mut of_row, mut of_column) = (vec![usize::MAX; m], vec![usize::MAX; n]);
    let (mut u, mut v) = (vec![0.0; m], vec![0.0; n]);
    for first in 0..m {
        let mut shortest = vec![f64::INFINITY; n];
        let mut from = vec![usize::MAX; n];
        let (mut seen_rows, mut done) = (Vec::new(), vec![false; n]);
        let (mut i, mut reached) = (first, 0.0);
        let end = loop {
            seen_rows.push(i);
            let line = &costs[i * n..(i + 1) * n];
            let mut best = (f64::INFINITY, usize::MAX);
            for j in (0..n).filter(|j| !done[*j]) {
                let length = reached + line[j] - u[i] - v[j];
                if length < shortest[j] {
                    (shortest[j], from[j]) = (length, i);
                }
                // A free column ends the search among equals.
                if shortest[j] < best.0
                    || (shortest[j] <= best.0 && best.1 < n && of_column[j] == usize::MAX && of_column[best.1] != usize::MAX)
                {
                    best = (shortest[j], j);
                }
            }
            let (length, j) = best;
            if j == usize::MAX {
                return of_row;
            }
            (reached, done[j]) = (length, true);
            if of_column[j] == usize::MAX {
                break j;
            }
            i = of_column[j];
        };
        u[first] += reached;
        for &row in &seen_rows[1..] {
            u[row] += reached - shortest[of_row[row]];
        }
        for j in (0..n).filter(|j| done[*j]) {
            v[j] -= reached - shortest[j];
        }
        let mut j = end;
        loop {
            let row = from[j];
            of_column[j] = row;
            std::mem::swap(&mut of_row[row], &mut j);
            if row == first {
                break;
            }
        }
    }
    of_row
}

/// A part of a transport plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Source.
    pub row: usize,
    /// Sink.
    pub column: usize,
    /// How much.
    pub amount: u64,
}

/// The cheapest transport of `supply` (one per row) to `demand` (one per column); both have the same sum.
///
/// # Definition
/// Minimizes `sum P[i, j] cost[i, j]` over `P >= 0` with these row and column sums.
///
/// # Accuracy
/// Exact but for rounding in sums of costs.
///
/// # Cost
/// One search of O((m + n)^2) for each time that a source or a sink is exhausted or a flow is turned: about m + n of them, a few times more with
/// many equal costs.
///
/// # Source
/// Successive shortest paths with potentials: Edmonds & Karp 1972.
#[must_use]
pub fn transport(cost: &Mat<f64>, supply: &[u64], demand: &[u64]) -> Vec<Flow> {
    let (m, n) = (cost.nrows(), cost.ncols());
    let (mut supply, mut demand) = (supply.to_vec(), demand.to_vec());
    let mut flow = vec![0u64; m * n];
    // Potentials keep reduced costs nonnegative; rows first, then columns.
    let mut potential = vec![0.0; m + n];
    for j in 0..n {
        potential[m + j] = (0..m).map(|i| cost[(i, j)]).fold(f64::INFINITY, f64::min);
    }
    while supply.iter().any(|s| *s > 0) {
        let mut shortest = vec![f64::INFINITY; m + n];
        let mut from = vec![usize::MAX; m + n];
        let mut done = vec![false; m + n];
        (0..m).filter(|i| supply[*i] > 0).for_each(|i| shortest[i] = 0.0);
        let end = loop {
            let mut at = usize::MAX;
            for node in (0..m + n).filter(|node| !done[*node]) {
                if shortest[node].is_finite() && (at == usize::MAX || shortest[node] < shortest[at]) {
                    at = node;
                }
            }
            if at == usize::MAX {
                return Vec::new();
            }
            done[at] = true;
            if at >= m && demand[at - m] > 0 {
                break at;
            }
            let here = shortest[at];
            if at < m {
                for j in (0..n).filter(|j| !done[m + *j]) {
                    let length = here + (cost[(at, j)] + potential[at] - potential[m + j]).max(0.0);
                    if length < shortest[m + j] {
                        (shortest[m + j], from[m + j]) = (length, at);
                    }
                }
            } else {
                for i in (0..m).filter(|i| !done[*i] && flow[*i * n + at - m] > 0) {
                    let length = here + (potential[at] - potential[i] - cost[(i, at - m)]).max(0.0);
                    if length < shortest[i] {
                        (shortest[i], from[i]) = (length, at);
                    }
                }
            }
        };
        let reached = shortest[end];
        (0..m + n).filter(|node| done[*node]).for_each(|node| potential[node] += shortest[node] - reached);
        // How much the path carries.
        let (mut amount, mut node) = (demand[end - m], end);
        while from[node] != usize::MAX {
            let before = from[node];
            if before >= m {
                amount = amount.min(flow[node * n + before - m]);
            }
            node = before;
        }
        amount = amount.min(supply[node]);
        supply[node] -= amount;
        demand[end - m] -= amount;
        node = end;
        while from[node] != usize::MAX {
            let before = from[node];
            if before < m {
                flow[before * n + node - m] += amount;
            } else {
                flow[node * n + before - m] -= amount;
            }
            node = before;
        }
    }
    let found = flow.iter().enumerate().filter(|(_, amount)| **amount > 0);
    found.map(|(at, &amount)| Flow { row: at / n, column: at % n, amount }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn random(seed: u64, m: usize, n: usize) -> Mat<f64> {
        let mut rng = Stream::new(seed, 0);
        Mat::from_fn(m, n, |_, _| rng.uniform())
    }

    /// The least sum over all injective maps.
    fn by_trying(cost: &Mat<f64>, row: usize, taken: &mut Vec<usize>) -> f64 {
        if row == cost.nrows() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for j in 0..cost.ncols() {
            if !taken.contains(&j) {
                taken.push(j);
                best = best.min(cost[(row, j)] + by_trying(cost, row + 1, taken));
                taken.pop();
            }
        }
        best
    }

    #[test]
    fn assignments_are_the_best_of_all() {
        for seed in 0..20 {
            let cost = random(seed, 5, 5 + usize::try_from(seed % 3).expect("small"));
            let found = assignment(&cost, false);
            let sum: f64 = found.iter().enumerate().map(|(i, j)| cost[(i, *j)]).sum();
            assert!((sum - by_trying(&cost, 0, &mut Vec::new())).abs() < 1e-12, "seed {seed}");
            let mut columns = found.clone();
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns.len(), 5, "every row has a column of its own");
            let negated = Mat::from_fn(cost.nrows(), cost.ncols(), |i, j| -cost[(i, j)]);
            assert_eq!(assignment(&negated, true), found, "the greatest of the negated");
        }
    }

    #[test]
    fn equal_costs_still_give_every_row_a_column() {
        assert_eq!(assignment(&Mat::zeros(3, 4), false), [0, 1, 2]);
        let ties = Mat::from_fn(4, 4, |i, j| if (i + j) % 2 == 0 { 1.0 } else { 2.0 });
        let found = assignment(&ties, false);
        assert!(found.iter().enumerate().all(|(i, j)| (i + j) % 2 == 0), "{found:?}");
    }

    #[test]
    fn transport_of_single_units_is_an_assignment() {
        for seed in 0..10 {
            let cost = random(seed, 6, 6);
            let plan = transport(&cost, &[1; 6], &[1; 6]);
            let sum: f64 = plan.iter().map(|f| cost[(f.row, f.column)]).sum();
            let best: f64 = assignment(&cost, false).iter().enumerate().map(|(i, j)| cost[(i, *j)]).sum();
            assert!((sum - best).abs() < 1e-12, "seed {seed}");
        }
    }

    #[test]
    fn transport_keeps_its_margins_and_no_copying_of_units_is_cheaper() {
        // Three sources of 4 and four sinks of 3: as an assignment of 12 units.
        let cost = random(3, 3, 4);
        let plan = transport(&cost, &[4; 3], &[3; 4]);
        for i in 0..3 {
            assert_eq!(plan.iter().filter(|f| f.row == i).map(|f| f.amount).sum::<u64>(), 4);
        }
        for j in 0..4 {
            assert_eq!(plan.iter().filter(|f| f.column == j).map(|f| f.amount).sum::<u64>(), 3);
        }
        let units = Mat::from_fn(12, 12, |i, j| cost[(i / 4, j / 3)]);
        let best: f64 = assignment(&units, false).iter().enumerate().map(|(i, j)| units[(i, *j)]).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few units")]
        let sum: f64 = plan.iter().map(|f| f.amount as f64 * cost[(f.row, f.column)]).sum();
        assert!((sum - best).abs() < 1e-12);
    }
}
