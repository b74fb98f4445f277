//! Contiguous folds.

/// The `k` contiguous blocks of `n` rows, the first `n mod k` one row longer.
#[must_use]
pub fn blocks(n: usize, k: usize) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    (0..k)
        .map(|i| {
            let block = start..start + n / k + usize::from(i < n % k);
            start = block.end;
            block
        })
        .collect()
}
