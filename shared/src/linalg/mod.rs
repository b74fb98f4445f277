//! Decompositions and helpers over faer matrices.

pub mod assignment;
mod band;
mod chase;
pub mod pca;
mod ql;
mod reflector;
pub mod spectral;
