//! Ranks, correlations and other statistics over slices.
