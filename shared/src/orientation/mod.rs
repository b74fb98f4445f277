//! Orientation discrimination: gratings, the start of a small network that learns them, and a population of neurons with known tuning.
//!
//! # Source
//! Neuromatch Academy 2020, computational neuroscience, W1D5 tutorial 3 (stimuli, network, training set); the population is our own simulation.

#[cfg(feature = "network")]
pub(crate) mod encode;
mod gratings;
mod network;
mod population;
mod settings;
#[cfg(feature = "network")]
pub(crate) mod train;

pub use gratings::{HEIGHT, WIDTH, grating, training_set};
pub use network::{KERNEL, N_FILTERS, filters};
pub use population::{Noise, Population};
pub use settings::{Architecture, Filters};
