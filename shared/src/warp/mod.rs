//! Warping networks along few random directions of all their parameters.
//!
//! A [`Subspace`] maps few trainable values to the changes of all parameters, and gradients of all parameters back to the few, without a matrix between
//! them ([`Fastfood`]). [`sweep`] has the dimensions that are tried and what is read off the scores; [`rsa`] the objective that warps a network's RDM to a measured one.

#[cfg(feature = "network")]
pub(crate) mod complexity;
mod fastfood;
mod hadamard;
#[cfg(feature = "network")]
pub(crate) mod objective;
pub mod rsa;
mod settings;
mod subspace;
pub mod sweep;
#[cfg(feature = "network")]
pub(crate) mod train;

pub use fastfood::Fastfood;
pub use hadamard::{Real, transform};
pub use settings::{Function, Head, Parts, Schedule, Split, Start, Training};
pub use subspace::{Gradients, Group, Subspace};
