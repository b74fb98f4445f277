//! Loops over independent items, on all threads with feature `parallel`. Results never depend on the number of threads.

use faer::{ColMut, Mat, MatMut};

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

/// Calls `visit(item)` for every item.
pub(crate) fn for_each<T: Send>(items: Vec<T>, visit: impl Fn(T) + Sync + Send) {
    #[cfg(feature = "parallel")]
    {
        use rayon::iter::{IntoParallelIterator, ParallelIterator};
        items.into_par_iter().for_each(visit);
    }
    #[cfg(not(feature = "parallel"))]
    items.into_iter().for_each(visit);
}

/// Calls `visit(i, chunk)` for every chunk of `width` values (`width > 0`; the last may be shorter).
pub(crate) fn for_chunks<T: Send>(values: &mut [T], width: usize, visit: impl Fn(usize, &mut [T]) + Sync) {
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

/// Calls `visit(j, column)` for every column.
pub(crate) fn for_each_column(x: &mut Mat<f64>, visit: impl Fn(usize, &mut [f64]) + Sync + Send) {
    map_columns(x, visit);
}

/// `item(j, column)` of every column, in order.
pub(crate) fn map_columns<T: Send>(x: &mut Mat<f64>, item: impl Fn(usize, &mut [f64]) -> T + Sync + Send) -> Vec<T> {
    let of = |(j, column): (usize, ColMut<'_, f64>)| column.try_as_col_major_mut().map(|column| item(j, column.as_slice_mut()));
    #[cfg(feature = "parallel")]
    {
        use rayon::iter::{IndexedParallelIterator, ParallelIterator};
        x.par_col_iter_mut().enumerate().filter_map(of).collect()
    }
    #[cfg(not(feature = "parallel"))]
    x.col_iter_mut().enumerate().filter_map(of).collect()
}

/// Calls `visit(first, columns)` for every `width` columns (`width > 0`; the last may be fewer).
pub(crate) fn for_column_chunks(x: MatMut<'_, f64>, width: usize, visit: impl Fn(usize, MatMut<'_, f64>) + Sync + Send) {
    #[cfg(feature = "parallel")]
    {
        use rayon::iter::{IndexedParallelIterator, ParallelIterator};
        x.par_col_chunks_mut(width).enumerate().for_each(|(i, chunk)| visit(i * width, chunk));
    }
    #[cfg(not(feature = "parallel"))]
    {
        let mut x = x;
        for first in (0..x.ncols()).step_by(width) {
            let n = width.min(x.ncols() - first);
            visit(first, x.as_mut().subcols_mut(first, n));
        }
    }
}
