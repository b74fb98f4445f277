//! Geodesics between two shapes.

use faer::{Mat, MatRef};

use super::{Group, Score, align};
use crate::Error;

/// The shortest way from one representation to another, modulo the maps of a group.
///
/// # Definition
/// With T = align(Y, X): `euclidean` `(1 - t) X + t Y T`; `angular`, on the sphere of matrices of norm 1,
/// `(sin((1 - t) theta) X / |X| + sin(t theta) Y T / |Y|) / sin theta`, theta the angle of X and Y T. Distances of points at s and t are |s - t| times that of the
/// ends.
///
/// # Degenerate
/// Representations without variance have no direction: their angular path is NaN.
///
/// # Source
/// Kendall 1984; Williams et al. 2021.
#[derive(Debug, Clone)]
pub struct Path {
    from: Mat<f64>,
    to: Mat<f64>,
    score: Score,
    length: f64,
}

impl Path {
    /// From X to Y, both of one shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes, [`Error::Numerical`] when the products are not finite.
    pub fn between(x: MatRef<'_, f64>, y: MatRef<'_, f64>, group: Group, score: Score) -> Result<Self, Error> {
        let moved = align(y, x, group)?.apply(y);
        let (mut from, mut to) = (x.to_owned(), moved);
        let length = score.between(&from, &to);
        if score == Score::Angular {
            for end in [&mut from, &mut to] {
                let scale = 1.0 / end.norm_l2();
                *end *= faer::Scale(scale);
            }
        }
        Ok(Self { from, to, score, length })
    }

    /// The distance of the ends.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The point at t: 0 is X, 1 is Y in the coordinates of X.
    #[must_use]
    pub fn at(&self, t: f64) -> Mat<f64> {
        let (a, b) = match self.score {
            Score::Euclidean => (1.0 - t, t),
            // Close ends: the arc is its chord.
            Score::Angular if self.length < 1e-6 => (1.0 - t, t),
            Score::Angular => {
                let sine = self.length.sin();
                (((1.0 - t) * self.length).sin() / sine, (t * self.length).sin() / sine)
            }
        };
        faer::Scale(a) * &self.from + faer::Scale(b) * &self.to
    }
}
