//! Model families, written down as schedules of kernel calls: configuration in, schedules out.
//!
//! Nothing here knows a device, a file or a clock. A model names its networks and gives its training step and
//! its sampling, encoding and evaluation passes; backward passes are the forward lines read upwards.

mod autoencoder;
mod faults;
mod layers;
mod model;
mod optimiser;
mod vae;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use layers::{Linear, Mlp, Saved, Slope, Value, Wrt, nonlinearity};
pub use model::{DataSpec, EVAL_COLUMNS, Likelihood, Model, Pass, Pins, RING_ROWS, Training};
pub use optimiser::Optimiser;
pub use vae::{Vae, VaeConfig};
