//! Evaluation: test losses, samples, reconstructions, and figures of generated images.

pub mod classifier;
pub mod figures;
pub mod latents;
pub mod measure;
pub mod measures;
pub mod passes;
pub mod quality;
