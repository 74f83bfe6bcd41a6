//! Settings of normalising flows.

use super::source::Coder;
use crate::autoencoder::AutoencoderConfig;
use crate::data::DataSpec;
use crate::vae::VaeConfig;
use crate::validate::{Check, activation, at_most, ensure, load, positive, up_to, widths};
use gpu_core::ops::spline::{self, BINS};
use gpu_core::ops::time_features::MAX_WAVES;
use serde::{Deserialize, Serialize};

/// The functions of a coupling.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coupling {
    /// y = x eˢ + t (Dinh et al., 2017).
    Affine,
    /// A monotone spline of rational quadratic functions (Durkan et al., 2019).
    Spline,
    /// Planar functions of all numbers (Rezende and Mohamed, 2015), in place of couplings.
    Planar,
}

impl Coupling {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Affine, Self::Spline, Self::Planar];
}

/// Settings of a normalising flow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RealNvpConfig {
    /// The run of an autoencoder, on whose latents the program trains; empty for points.
    pub latents: String,
    /// The checksum of that run's weights, by the same program.
    pub checksum: String,
    /// The functions of a coupling.
    pub coupling: Coupling,
    /// Couplings, each of which changes one half of the numbers as a network of the other half says; or planar
    /// functions.
    pub layers: usize,
    /// Widths of the linear layers of a coupling's network.
    pub hidden: Vec<usize>,
    /// Activation of these layers.
    pub activation: String,
    /// Cosines and sines of each number that a network sees beside it, of half a turn, one turn, two, four, …; 0 for
    /// none.
    pub x_waves: usize,
    /// The bound of s in an affine coupling, which multiplies numbers by eˢ.
    pub max_log_scale: f32,
    /// Bins of a spline.
    pub bins: usize,
    /// Half the length of the interval, around 0, that a spline divides into bins. Numbers outside stay as they are.
    pub bound: f32,
    /// Learns a scale and a shift of every number before the first coupling; those of latents begin with the deviations
    /// and the means of some training images.
    pub normalise: bool,
    /// The settings of a plain autoencoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ae: Option<AutoencoderConfig>,
    /// The settings of a variational autoencoder in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vae: Option<VaeConfig>,
}

impl Default for RealNvpConfig {
    fn default() -> Self {
        Self {
            latents: String::new(),
            checksum: String::new(),
            coupling: Coupling::Affine,
            layers: 8,
            hidden: vec![128, 128],
            activation: "silu".into(),
            x_waves: 0,
            max_log_scale: 2.0,
            bins: 16,
            bound: 4.0,
            normalise: true,
            ae: None,
            vae: None,
        }
    }
}

/// Couplings, at most.
const MAX_LAYERS: usize = 64;

impl RealNvpConfig {
    /// The autoencoder of images, a plain one by default; `None` for points.
    pub(super) fn coder(&self, spec: &DataSpec) -> Option<Coder> {
        let plain = || Coder::Plain(self.ae.clone().unwrap_or_default());
        spec.first().points.is_none().then(|| self.vae.clone().map_or_else(plain, Coder::Variational))
    }

    /// Numbers of theta for each number that a coupling changes.
    pub(super) fn theta(&self) -> usize {
        match self.coupling {
            Coupling::Affine => 2,
            Coupling::Spline => spline::width(self.bins),
            Coupling::Planar => 0,
        }
    }

    /// Checks the settings for rows of `width` numbers, in batches of `batch`.
    pub(super) fn check(&self, width: usize, batch: usize) -> Check {
        ensure(width >= 2, "latents", || format!("must name an autoencoder of at least 2 latents (got {width})"))?;
        up_to("layers", self.layers, MAX_LAYERS)?;
        ensure(self.layers >= 2, "layers", || {
            format!("must be at least 2, or one half of the numbers stays as it is (got {})", self.layers)
        })?;
        ensure(!self.hidden.is_empty(), "hidden", || "must name the width of at least one layer (got [])".into())?;
        widths("hidden", &self.hidden)?;
        activation("activation", &self.activation)?;
        at_most("x_waves", self.x_waves, MAX_WAVES)?;
        positive("max_log_scale", self.max_log_scale)?;
        ensure(self.max_log_scale <= 10.0, "max_log_scale", || {
            format!("must be at most 10 (got {})", self.max_log_scale)
        })?;
        ensure(BINS.contains(&self.bins), "bins", || {
            format!("must be between {} and {} (got {})", BINS.start(), BINS.end(), self.bins)
        })?;
        positive("bound", self.bound)?;
        let half = width.div_ceil(2);
        let ends = [half * (1 + 2 * self.x_waves), half * self.theta()];
        let numbers: Vec<usize> = ends[..1].iter().chain(&self.hidden).chain(&ends[1..]).copied().collect();
        let weights = numbers.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum::<usize>();
        load("hidden", "layers, x_waves and bins", &numbers, self.layers * weights, batch)
    }
}
