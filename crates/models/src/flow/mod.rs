//! Flow matching: a network learns the velocity at which noise becomes data along straight paths, which samples follow.
//!
//! Lipman et al., *Flow matching for generative modeling*, 2023: x(t) = (1 − t) z + t x with z ~ N(0, 1), and times
//! t = 1 − (1 − u)ᵖ with u ~ U(0, 1); the loss is the mean squared error of v(x(t), t) against x − z. A sample is the
//! solution of dx/dt = v from z at t = 0, at t = 1.

mod config;
mod density;
mod ode;

pub use config::FlowConfig;
pub use ode::Solver;

use crate::capabilities::{CodeSpec, Decoder, Decoding, LogDensity, Sampler};
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Mode, Saved, Sequence, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::unet::{SavedUNet, UNet, UNetSpec};
use crate::validate::InvalidSetting;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::drop_rows::drop_rows;
use gpu_core::ops::elementwise::combine;
use gpu_core::ops::flow_path::flow_path;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::time_features::time_features;
use gpu_core::ops::{blurred_waves, channels, fill, philox, record};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};

/// The network of the velocity.
#[derive(Clone, Debug)]
enum Velocity {
    /// Linear layers of rows x | waves of x | features of the time.
    Linear(Stack),
    /// A U-Net of images.
    UNet(Box<UNet>),
}

/// The values of a pass that its backward pass needs.
enum SavedVelocity {
    Linear(Vec<Saved>),
    UNet(Box<SavedUNet>),
}

/// A model by flow matching.
#[derive(Clone, Debug)]
pub struct Flow {
    config: FlowConfig,
    base: Base,
    network: Network,
    velocity: Velocity,
}

const COLUMNS: &[&str] = &["velocity_error"];

impl Flow {
    /// The model for the first set of such data. PyTorch's names: linear layers are an `nn.Sequential` called
    /// `velocity`, of rows x | waves of x | features; those of a U-Net are its attributes. The features of a
    /// class-conditional model are `torch.cat([waves, y], 1)`, where y is 5 at the class and 0 elsewhere.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: FlowConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let mut base = Base::new(spec, COLUMNS);
        if config.has_classes(spec.first()) {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        let spec = spec.first();
        let memory = &mut base.memory;
        let mut network = Network::new(memory, "flow");
        let features = config.features(spec);
        let velocity = if config.width > 0 {
            let FlowConfig { width, halvings, heads, .. } = config;
            let (outputs, act) = (spec.image[2], Activation::Identity);
            let sizes = UNetSpec { width, halvings, heads, image: spec.image, outputs, features, act };
            let unet = UNet::new(memory, &mut network, "", sizes);
            Velocity::UNet(Box::new(unet))
        } else {
            let mut layers = Sequence::of_rows(memory, &mut network, "velocity", config.input(spec));
            config.hidden.iter().for_each(|&width| layers.linear(width, Activation::Silu));
            layers.linear(spec.width(), Activation::Identity);
            Velocity::Linear(layers.finish())
        };
        Self { config, base, network, velocity }
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }

    /// The features of places u `[n]` on the path, t = 1 − (1 − u)ᵖ, and of the classes y [n, classes] of a
    /// class-conditional model: [n, features].
    fn features(&self, s: &mut Schedule, u: Buf, y: Option<Buf>) -> Buf {
        let waves = time_features(s, "waves", u, self.config.waves);
        y.map_or(waves, |y| channels::concat(s, "waves_y", waves, y))
    }

    /// x [n, width] and its waves at such places of the path: the part of the network's input that depends on x.
    fn beside_waves(&self, s: &mut Schedule, x: Buf, u: Buf) -> Buf {
        let FlowConfig { x_waves, spacing, .. } = self.config;
        if x_waves == 0 {
            return x;
        }
        let waves = blurred_waves::forward(s, "x_waves", x, u, x_waves, spacing);
        channels::concat(s, "x_beside_waves", x, waves)
    }

    /// The velocities [n, width] of x [n, width] at places u `[n]` of the path, and of the classes y.
    fn velocity(&self, s: &mut Schedule, x: Buf, u: Buf, y: Option<Buf>, mode: Mode) -> (Buf, SavedVelocity) {
        let features = self.features(s, u, y);
        match &self.velocity {
            Velocity::Linear(layers) => {
                let x = self.beside_waves(s, x, u);
                let input = channels::concat(s, "x_t", x, features);
                let (v, saved) = layers.forward(s, Value::plain(input), mode);
                (v.buf, SavedVelocity::Linear(saved))
            }
            Velocity::UNet(unet) => {
                let images = x.reshape(self.spec().images(x.shape.rows()));
                let (v, saved) = unet.forward(s, images, Some(features), mode);
                (v.buf.reshape(x.shape), SavedVelocity::UNet(Box::new(saved)))
            }
        }
    }

    fn velocity_backward(&self, s: &mut Schedule, saved: &SavedVelocity, dv: Buf) {
        match (&self.velocity, saved) {
            (Velocity::Linear(layers), SavedVelocity::Linear(saved)) => {
                layers.backward(s, saved, dv, Wrt::Params);
            }
            (Velocity::UNet(unet), SavedVelocity::UNet(saved)) => {
                let images = self.spec().images(dv.shape.rows());
                unet.backward(s, saved, dv.reshape(images));
            }
            _ => unreachable!("saved by this network"),
        }
    }

    /// The mean over the numbers of an image.
    fn loss(&self) -> Loss {
        Loss { kind: Kind::Squared, scale: 1.0 / self.spec().width() as f32, offset: 0.0 }
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let buffers = &self.base.buffers;
        buffers.tick(s, micro_batch, training, 0.0, 0);
        let order = buffers.train_order(s, micro_batch, training, clock);
        let x = buffers.moved_images(s, order, micro_batch, training, clock, self.range());
        let MicroBatch { first, rows, .. } = micro_batch;
        let (width, seed) = (self.spec().width(), training.seed);
        let y = buffers.first().labels.map(|labels| {
            let y = buffers.one_hot_classes(s, labels.train, order);
            let dropout = self.config.class_dropout;
            if dropout == 0.0 {
                return y;
            }
            let u = philox::uniform_from(s, "dropped", [rows], first, clock, seed, Stream::Dropout, [0.0, 1.0]);
            drop_rows(s, "class_dropout", y, u, dropout)
        });
        let z = philox::normal_from(s, "noise", [rows, width], first * width, clock, seed, Stream::Train);
        let u = philox::uniform_from(s, "u", [rows], first, clock, seed, Stream::Mix, [0.0, 1.0]);
        let (xt, target) = flow_path(s, "path", z, x, u, self.config.spacing);

        let (v, saved) = self.velocity(s, xt, u, y, Mode::Train);
        let (error, dv) = loss::with_gradient(s, "velocity_error", v, target, self.loss(), micro_batch.share());

        self.velocity_backward(s, &saved, dv);

        micro_batch.record(s, "velocity_error", error, clock, ring, 0);
    }

    /// The place u of one time, for all of `rows` rows.
    fn place(&self, s: &mut Schedule, rows: usize, t: f64) -> Buf {
        let u = s.scratch([rows]);
        fill::fill(s, "u", u, ode::place(t, self.config.spacing) as f32);
        u
    }

    /// Images [n, width] of noise z [n, width], of the requested classes.
    fn images(&self, s: &mut Schedule, z: Buf) -> Buf {
        let (buffers, count) = (&self.base.buffers, z.shape.rows());
        let y = buffers.first().labels.map(|labels| buffers.asked_classes(s, labels, count));
        let FlowConfig { steps, solver, spacing, guidance, .. } = self.config;
        let times = ode::times(steps, spacing);
        let rates = |s: &mut Schedule, x: Buf, t: f64| {
            let u = self.place(s, count, t);
            let v = self.velocity(s, x, u, y, Mode::Use).0;
            let Some(y) = y.filter(|_| self.config.is_guided_at(t)) else { return (v, None) };
            let of_any = s.scope("any_class", |s| {
                let zeros = s.scratch(y.shape);
                fill::fill(s, "zeros", zeros, 0.0);
                self.velocity(s, x, u, Some(zeros), Mode::Use).0
            });
            (combine(s, "guided", of_any, 1.0 - guidance, v, guidance), None)
        };
        ode::integrate(s, (z, None), &times, solver, rates).0
    }
}

impl Settings for FlowConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec.first(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Flow::new(self.clone(), spec))
    }

    fn samples_with_average(&self) -> bool {
        true
    }
}

impl Model for Flow {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    fn range(&self) -> Range {
        if self.spec().points.is_some() { Range::UNIT } else { Range::TANH }
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "flow", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let x = buffers.test_images(s, order, self.range());
        let y = buffers.first().labels.map(|labels| buffers.one_hot_classes(s, labels.test, order));
        let z = philox::normal(s, "noise", x.shape, side_clock, seed, Stream::Evaluate);
        let u = philox::uniform(s, "u", [batch], side_clock, seed, Stream::Mix, [0.0, 1.0]);
        let (xt, target) = flow_path(s, "path", z, x, u, self.config.spacing);
        let (v, _) = self.velocity(s, xt, u, y, Mode::Use);
        let error = loss::forward(s, "velocity_error", v, target, self.loss());
        record::record(s, "record.velocity_error", error, side_clock, side_ring, 0, 1.0);
        schedule
    }

    fn sampler(&self) -> Option<&dyn Sampler> {
        Some(self)
    }

    fn decoder(&self) -> Option<&dyn Decoder> {
        Some(self)
    }

    fn log_density(&self) -> Option<&dyn LogDensity> {
        self.spec().points.map(|_| self as &dyn LogDensity)
    }
}

impl Sampler for Flow {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let (clock, width) = (self.base.buffers.side_clock, self.spec().width());
        let z = philox::normal(&mut s, "noise", [count, width], clock, seed, Stream::Sample);
        let images = self.images(&mut s, z);
        Pass::new(s, &[images])
    }

    fn latent(&self) -> Option<usize> {
        Some(self.spec().width())
    }
}

/// A code is the noise that an image begins as.
impl Decoder for Flow {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let z = s.scratch([count, self.spec().width()]);
        s.feed(z);
        let images = self.images(&mut s, z);
        Decoding { given: z, pass: Pass::new(s, &[images]) }
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.spec().width(), dtype: Dtype::F32 }
    }
}
