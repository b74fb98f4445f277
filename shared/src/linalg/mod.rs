//! Decompositions and helpers over faer matrices.

pub mod spectral;
