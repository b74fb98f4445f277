//! Decompositions and helpers over faer matrices.
