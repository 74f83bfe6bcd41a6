//! Settings of flow matching.

use super::ode::Solver;
use crate::data::SetSpec;
use crate::layers::halvings;
use crate::validate::{self, Check, InvalidSetting, count, ensure, load, widths};
use gpu_core::ops::attention::MAX_POSITIONS;
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
    /// Heads of self-attention at the smallest size, divisors of its channels; 0 for none.
    pub heads: usize,
    /// Widths of the linear layers. Used if `width` is 0.
    pub hidden: Vec<usize>,
    /// Cosines and sines of u that the network sees, the place of the time, of half a turn, one turn, two, four, ….
    pub waves: usize,
    /// Steps of the integration from noise to an image.
    pub steps: usize,
    /// The method of integration.
    pub solver: Solver,
    /// Gives the class to the network, so that samples can be of a requested class, if the data has classes.
    pub class_conditional: bool,
    /// Share of training images without their class, by which the network learns images of any class.
    pub class_dropout: f32,
    /// Guidance w of class-conditional samples, whose velocity is (1 − w) times that of any class plus w times that of
    /// theirs: above 1, images are clearer and less varied.
    pub guidance: f32,
    /// First and last time t of guided velocities; outside, samples follow that of their class alone (Kynkäänniemi et
    /// al., 2024).
    pub guidance_interval: [f32; 2],
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
            heads: 0,
            hidden: vec![128, 128, 128],
            waves: 6,
            steps: 20,
            solver: Solver::Heun,
            class_conditional: true,
            class_dropout: 0.1,
            guidance: 1.0,
            guidance_interval: [0.0, 1.0],
            spacing: 1.0,
            x_waves: 0,
        }
    }
}

/// Steps of an integration, at most: each is a part of one schedule.
const MAX_STEPS: usize = 1000;
/// The strongest guidance.
const MAX_GUIDANCE: f32 = 100.0;

impl FlowConfig {
    /// Numbers that the network sees with an image: features of the time, and of a class-conditional model the class.
    pub(super) fn features(&self, spec: &SetSpec) -> usize {
        2 * self.waves + if self.has_classes(spec) { spec.classes } else { 0 }
    }

    /// True if the network sees the class.
    pub(super) fn has_classes(&self, spec: &SetSpec) -> bool {
        self.class_conditional && spec.classes >= 2
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
        self.check_guidance(spec)?;
        if self.width > 0 { self.check_unet(spec, batch) } else { self.check_linear(spec, batch) }
    }

    fn check_guidance(&self, spec: &SetSpec) -> Check {
        ensure((0.0..1.0).contains(&self.class_dropout), "class_dropout", || {
            format!("must be at least 0 and below 1 (got {})", self.class_dropout)
        })?;
        ensure((0.0..=MAX_GUIDANCE).contains(&self.guidance), "guidance", || {
            format!("must be between 0 and {MAX_GUIDANCE} (got {})", self.guidance)
        })?;
        let [first, last] = self.guidance_interval;
        ensure(0.0 <= first && first <= last && last <= 1.0, "guidance_interval", || {
            format!("must be two times between 0 and 1 in order (got [{first}, {last}])")
        })?;
        ensure(!self.is_guided() || self.class_dropout > 0.0 || !self.has_classes(spec), "guidance", || {
            format!(
                "must be 1 if flow.class_dropout is 0: no image is trained without its class (got {})",
                self.guidance
            )
        })
    }

    /// True if samples follow two velocities, that of their class and that of any.
    fn is_guided(&self) -> bool {
        self.guidance != 1.0
    }

    /// True if samples follow two velocities at a time t.
    pub(super) fn is_guided_at(&self, t: f64) -> bool {
        let [first, last] = self.guidance_interval;
        self.is_guided() && (first..=last).contains(&(t as f32))
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
        let mut numbers: Vec<usize> = sizes.iter().enumerate().map(level).collect();
        if self.heads > 0 {
            let [h, w] = sizes[self.halvings];
            self.check_attention(widest, [h, w])?;
            numbers.push(self.heads * (h * w).pow(2));
        }
        let weights = (0..=self.halvings).map(|i| 100 * (self.width << i).pow(2)).sum();
        load("width", "halvings", &numbers, weights, batch)
    }

    /// Attention of images [h, w] in such channels.
    fn check_attention(&self, channels: usize, [h, w]: [usize; 2]) -> Check {
        ensure(channels.is_multiple_of(self.heads), "heads", || {
            format!("must divide the {channels} channels at the smallest size (got {})", self.heads)
        })?;
        ensure(h * w <= MAX_POSITIONS, "halvings", || {
            let got = format!("got {}, which leaves {h}×{w}", self.halvings);
            format!("must leave at most {MAX_POSITIONS} pixels with flow.heads = {} ({got}); use more", self.heads)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The problem of a U-Net on images of 28×28.
    fn problem(width: usize, halvings: usize, heads: usize) -> Option<String> {
        let config = FlowConfig { width, halvings, heads, ..FlowConfig::default() };
        let spec = SetSpec { train: 9, test: 9, image: [28, 28, 1], classes: 1, variance: 0.1, points: None };
        config.check(&spec, 4).err().map(|error| error.to_string())
    }

    #[test]
    fn heads_divide_the_channels_of_few_pixels() {
        for (width, halvings, heads) in [(12, 2, 0), (12, 0, 0), (12, 2, 6), (3, 1, 6), (0, 0, 5)] {
            assert_eq!(problem(width, halvings, heads), None, "{width}, {halvings}, {heads}");
        }
        let channels = problem(12, 2, 5).unwrap();
        assert_eq!(channels, "heads must divide the 48 channels at the smallest size (got 5)");
        let pixels = problem(12, 0, 4).unwrap();
        assert!(pixels.starts_with("halvings must leave at most 256 pixels with flow.heads = 4"), "{pixels}");
        assert!(pixels.contains("(got 0, which leaves 28×28)"), "{pixels}");
    }
}
