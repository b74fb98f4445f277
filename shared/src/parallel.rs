//! Loops over independent items, on all threads with feature `parallel`. Results never depend on the number of threads.

/// How many items run at the same time.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    1
}

/// `item(0), …, item(n - 1)` in order.
pub(crate) fn map<T: Send>(n: usize, item: impl Fn(usize) -> T + Sync) -> Vec<T> {
    #[cfg(feature = "parallel")]
    {
        use rayon::iter::{IntoParallelIterator, ParallelIterator};
        (0..n).into_par_iter().map(&item).collect()
    }
    #[cfg(not(feature = "parallel"))]
    (0..n).map(item).collect()
}

/// Calls `visit(i, chunk)` for every chunk of `width` values (`width > 0`; the last may be shorter).
pub(crate) fn for_chunks(values: &mut [f64], width: usize, visit: impl Fn(usize, &mut [f64]) + Sync) {
    #[cfg(feature = "parallel")]
    {
        use rayon::iter::{IndexedParallelIterator, ParallelIterator};
        use rayon::slice::ParallelSliceMut;
        values.par_chunks_mut(width).enumerate().for_each(|(i, chunk)| visit(i, chunk));
    }
    #[cfg(not(feature = "parallel"))]
    values.chunks_mut(width).enumerate().for_each(|(i, chunk)| visit(i, chunk));
}

/// Both closures, at the same time where there are threads.
pub(crate) fn join(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    #[cfg(feature = "parallel")]
    rayon::join(a, b);
    #[cfg(not(feature = "parallel"))]
    {
        a();
        b();
    }
}
