//! Settings of flow matching.

use super::ode::Solver;
use crate::data::SetSpec;
use crate::layers::halvings;
use crate::validate::{self, Check, InvalidSetting, conditional, count, ensure, load, widths};
use gpu_core::ops::time_features::MAX_WAVES;
use serde::{Deserialize, Serialize};

/// Settings of flow matching.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Channels of the U-Net at the size of the image, doubled with each halving; 0 for linear layers.
    pub width: usize,
    /// Halvings of the image by the U-Net.
    pub halvings: usize,
    /// Widths of the linear layers. Used if `width` is 0.
    pub hidden: Vec<usize>,
    /// Cosines and sines of the time that the network sees, of half a turn, one turn, two, four, ….
    pub waves: usize,
    /// Steps of the integration from noise to an image.
    pub steps: usize,
    /// The method of integration.
    pub solver: Solver,
    /// Gives the class to the network, so that samples can be of a requested class.
    pub class_conditional: bool,
    /// Exponent p of the times t = 1 − (1 − u)ᵖ, with u uniform in training and k / steps in the integration: above 1,
    /// times are denser near the data. The network sees u.
    pub spacing: f32,
    /// Cosines and sines of each coordinate or pixel that linear layers see beside it, of half a turn, one turn, two,
    /// four, …, as strong as the noise of the time leaves them; 0 for none.
    pub x_waves: usize,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            width: 0,
            halvings: 2,
            hidden: vec![128, 128, 128],
            waves: 6,
            steps: 20,
            solver: Solver::Heun,
            class_conditional: false,
            spacing: 1.0,
            x_waves: 0,
        }
    }
}

/// Steps of an integration, at most: each is a part of one schedule.
const MAX_STEPS: usize = 1000;

impl FlowConfig {
    /// Numbers that the network sees with an image: features of the time, and of a class-conditional model the class.
    pub(super) fn features(&self, spec: &SetSpec) -> usize {
        2 * self.waves + if self.class_conditional { spec.classes } else { 0 }
    }

    /// Numbers of the input of linear layers.
    pub(super) fn input(&self, spec: &SetSpec) -> usize {
        spec.width() * (1 + 2 * self.x_waves) + self.features(spec)
    }

    /// Checks the settings for such images, in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        ensure((1..=MAX_WAVES).contains(&self.waves), "waves", || {
            format!("must be between 1 and {MAX_WAVES} (got {})", self.waves)
        })?;
        ensure((1..=MAX_STEPS).contains(&self.steps), "steps", || {
            format!("must be between 1 and {MAX_STEPS} (got {})", self.steps)
        })?;
        ensure((1.0..=4.0).contains(&self.spacing), "spacing", || {
            format!("must be between 1 and 4 (got {})", self.spacing)
        })?;
        ensure(self.x_waves <= MAX_WAVES, "x_waves", || {
            format!("must be between 0 and {MAX_WAVES} (got {})", self.x_waves)
        })?;
        conditional("class_conditional", self.class_conditional, spec.classes)?;
        if self.width > 0 { self.check_unet(spec, batch) } else { self.check_linear(spec, batch) }
    }

    fn check_unet(&self, spec: &SetSpec, batch: usize) -> Check {
        if let Some(points) = spec.points.map(|points| points.name()) {
            let problem =
                format!("must be 0 for {points}: points have no pixels for convolutions (got {})", self.width);
            return Err(InvalidSetting::new("width", problem));
        }
        validate::halvings("halvings", spec.image, self.halvings, false)?;
        count("width", self.width)?;
        let widest = self.width.saturating_mul(1 << self.halvings);
        ensure(count("width", widest).is_ok(), "width", || {
            format!("makes {widest} channels at the smallest size (got {}); use fewer", self.width)
        })?;
        // A concatenation has the most numbers of a level; blocks have windows of 3×3, three times as many channels.
        let sizes = halvings(spec.image, self.halvings);
        let level = |(i, [h, w]): (usize, &[usize; 2])| h * w * 3 * (self.width << i);
        let numbers: Vec<usize> = sizes.iter().enumerate().map(level).collect();
        let weights = (0..=self.halvings).map(|i| 100 * (self.width << i).pow(2)).sum();
        load("width", "halvings", &numbers, weights, batch)
    }

    fn check_linear(&self, spec: &SetSpec, batch: usize) -> Check {
        ensure(!self.hidden.is_empty(), "hidden", || {
            "must name the width of at least one layer if flow.width is 0 (got [])".into()
        })?;
        widths("hidden", &self.hidden)?;
        let ends = [self.input(spec), spec.width()];
        let widths: Vec<usize> = ends[..1].iter().chain(&self.hidden).chain(&ends[1..]).copied().collect();
        let weights = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        load("hidden", "flow.waves", &widths, weights, batch)
    }
}
