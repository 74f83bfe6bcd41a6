//! The couplings of a flow: forward with the logarithm of the slopes, backward, and inverse.

use super::config::{Coupling, RealNvpConfig};
use super::planes::Planes;
use crate::layers::{Mode, Saved, Sequence, Stack, Value, Wrt};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::{affine_coupling, blurred_waves, channels, elementwise, fill, reduce, spline};
use gpu_core::{Buf, Init, Memory, Schedule};

/// A learnt normalisation and couplings between the halves of rows, each with a network.
#[derive(Clone, Debug)]
pub(super) struct Couplings {
    config: RealNvpConfig,
    /// Numbers of the two halves.
    halves: [usize; 2],
    /// Logarithms of scales | shifts, [1, 2 width].
    normalise: Option<Buf>,
    /// Networks from one half to theta of the other.
    networks: Vec<Stack>,
    /// Planar functions, in place of all couplings.
    planes: Option<Planes>,
}

/// A coupling's input and the values of its network.
struct Step {
    /// The half that the network sees, without its waves.
    seen: Buf,
    /// The half that changes.
    changed: Buf,
    theta: Buf,
    saved: Vec<Saved>,
}

/// A forward pass.
pub(super) struct Passed {
    /// Normal numbers [n, width].
    pub(super) z: Buf,
    /// Logarithms of slopes, one buffer for each part of the flow: [n, …].
    pub(super) log_slopes: Vec<Buf>,
    x: Buf,
    steps: Vec<Step>,
    /// The arguments and the value of planar functions.
    values: Vec<Buf>,
}

impl Couplings {
    /// Couplings of rows of `width` numbers. PyTorch's names: `normalise` [2, width], and the `nn.Sequential`s
    /// `couplings.0`, `couplings.1`, …; or `planes`.
    pub(super) fn new(memory: &mut Memory, network: &mut Network, config: &RealNvpConfig, width: usize) -> Self {
        let halves = [width.div_ceil(2), width / 2];
        let normalise = config.normalise.then(|| {
            let learnt = network.weights.add(memory, "normalise", [2, width], Init::Constant(0.0));
            learnt.reshape([1, 2 * width])
        });
        let act = Activation::named(&config.activation).expect("the settings were validated");
        let planar = config.coupling == Coupling::Planar;
        let planes = planar.then(|| Planes::new(memory, network, config.layers, width));
        let networks = (0..if planar { 0 } else { config.layers }).map(|i| {
            let [seen, changed] = [halves[i % 2], halves[(i + 1) % 2]];
            let inputs = seen * (1 + 2 * config.x_waves);
            let mut layers = Sequence::of_rows(memory, network, &format!("couplings.{i}"), inputs);
            config.hidden.iter().for_each(|&width| layers.linear(width, act));
            layers.linear(changed * config.theta(), Activation::Identity);
            layers.finish()
        });
        let networks = networks.collect();
        Self { config: config.clone(), halves, normalise, networks, planes }
    }

    /// The learnt normalisation, as scales and shifts [1, 2 width].
    pub(super) fn normalise(&self) -> Option<Buf> {
        self.normalise
    }

    /// A half c [n, …] beside its waves: the input of a coupling's network.
    fn beside_waves(&self, s: &mut Schedule, c: Buf) -> Buf {
        if self.config.x_waves == 0 {
            return c;
        }
        let data = constant(s, [c.shape.rows(), 1], 1.0);
        let waves = blurred_waves::forward(s, "waves", c, data.reshape([data.len()]), self.config.x_waves, 1.0);
        channels::concat(s, "beside_waves", c, waves)
    }

    /// The gradient of c from that of [`Couplings::beside_waves`].
    fn beside_waves_backward(&self, s: &mut Schedule, c: Buf, dboth: Buf) -> Buf {
        let (n, columns, count) = (c.shape.rows(), c.shape.cols(), 2 * self.config.x_waves);
        if count == 0 {
            return dboth;
        }
        let dc = channels::slice(s, "dseen", dboth, 0..columns);
        let dwaves = channels::slice(s, "dwaves", dboth, columns..columns * (1 + count));
        // A wave is that of one number, so the derivatives along all of them at once are those along each.
        let [data, one] = [1, columns].map(|columns| constant(s, [n, columns], 1.0));
        let slopes = blurred_waves::tangent(s, "slopes", c, data.reshape([n]), one, self.config.x_waves, 1.0);
        let product = elementwise::multiply(s, "slopes_dwaves", slopes, dwaves).reshape([n * columns, count]);
        let sum = reduce::rows(s, "dseen_waves", product, reduce::Kind::Sum).reshape(c.shape);
        elementwise::add(s, "dseen_all", dc, sum)
    }

    /// Theta of the half that coupling `i` changes, from the other half: [n, numbers · theta].
    fn theta(&self, s: &mut Schedule, i: usize, seen: Buf, mode: Mode) -> (Buf, Vec<Saved>) {
        let input = self.beside_waves(s, seen);
        let (theta, saved) = self.networks[i].forward(s, Value::plain(input), mode);
        (theta.buf, saved)
    }

    /// Normal numbers of rows x [n, width].
    pub(super) fn forward(&self, s: &mut Schedule, x: Buf, mode: Mode) -> Passed {
        let mut log_slopes = Vec::new();
        let normed = self.normalise.map_or(x, |learnt| {
            let (y, log_slope) = affine_coupling::forward(s, "normalise", x, learnt, 0.0);
            log_slopes.push(log_slope);
            y
        });
        let mut steps = Vec::new();
        if let Some(planes) = &self.planes {
            let (values, log_slope) = planes.forward(s, normed);
            log_slopes.push(log_slope);
            let z = *values.last().expect("there is x");
            return Passed { z, log_slopes, x, steps, values };
        }
        let mut now = self.split(s, "halves", normed);
        for i in 0..self.networks.len() {
            let [seen, changed] = [now[i % 2], now[(i + 1) % 2]];
            s.scope(&format!("coupling{i}"), |s| {
                let (theta, saved) = self.theta(s, i, seen, mode);
                let (y, log_slope) = match self.config.coupling {
                    Coupling::Affine => {
                        affine_coupling::forward(s, "affine", changed, theta, self.config.max_log_scale)
                    }
                    Coupling::Spline => {
                        spline::forward(s, "spline", changed, theta, self.config.bins, self.config.bound)
                    }
                    Coupling::Planar => unreachable!("it has no networks"),
                };
                now[(i + 1) % 2] = y;
                log_slopes.push(log_slope);
                steps.push(Step { seen, changed, theta, saved });
            });
        }
        let z = channels::concat(s, "z", now[0], now[1]);
        Passed { z, log_slopes, x, steps, values: Vec::new() }
    }

    /// Adds to the gradients of the parameters, from dz [n, width] and the gradient of every logarithm of a slope.
    pub(super) fn backward(&self, s: &mut Schedule, passed: &Passed, dz: Buf, dslope: f32) {
        let n = dz.shape.rows();
        let dnormed = match &self.planes {
            Some(planes) => {
                let dslopes = constant(s, [n, 1], dslope);
                planes.backward(s, &passed.values, dz, dslopes)
            }
            None => self.couplings_backward(s, passed, dz, dslope),
        };
        if let Some(learnt) = self.normalise {
            let upstream = [dnormed, constant(s, [n, dnormed.shape.cols()], dslope)];
            let (_, of_rows) = affine_coupling::backward(s, "normalise_backward", passed.x, learnt, upstream, 0.0);
            reduce::columns_add(s, "normalise_backward_all", of_rows, learnt.grad());
        }
    }

    /// The same of the couplings alone. Returns the gradient of their argument, if a normalisation needs it.
    fn couplings_backward(&self, s: &mut Schedule, passed: &Passed, dz: Buf, dslope: f32) -> Buf {
        let n = dz.shape.rows();
        let mut now = self.split(s, "dhalves", dz);
        let of_halves = self.halves.map(|numbers| constant(s, [n, numbers], dslope));
        for (i, step) in passed.steps.iter().enumerate().rev() {
            let Step { seen, changed, theta, saved } = step;
            let (from, to) = (i % 2, (i + 1) % 2);
            s.scope(&format!("coupling{i}"), |s| {
                let upstream = [now[to], of_halves[to]];
                let (dchanged, dtheta) = match self.config.coupling {
                    Coupling::Affine => {
                        let bound = self.config.max_log_scale;
                        affine_coupling::backward(s, "affine_backward", *changed, *theta, upstream, bound)
                    }
                    Coupling::Spline => {
                        let RealNvpConfig { bins, bound, .. } = self.config;
                        spline::backward(s, "spline_backward", *changed, *theta, upstream, bins, bound)
                    }
                    Coupling::Planar => unreachable!("it has no networks"),
                };
                // Nothing before the first coupling learns without a normalisation.
                let wrt = if i > 0 || self.normalise.is_some() { Wrt::Both } else { Wrt::Params };
                if let Some(dinput) = self.networks[i].backward(s, saved, dtheta, wrt) {
                    let dseen = self.beside_waves_backward(s, *seen, dinput);
                    now[from] = elementwise::add(s, "dhalf", now[from], dseen);
                    now[to] = dchanged;
                }
            });
        }
        match self.normalise {
            Some(_) => channels::concat(s, "dnormed", now[0], now[1]),
            None => dz,
        }
    }

    /// Rows x [n, width] of normal numbers z [n, width].
    pub(super) fn inverse(&self, s: &mut Schedule, z: Buf) -> Buf {
        let normed = match &self.planes {
            Some(planes) => planes.inverse(s, z),
            None => self.couplings_inverse(s, z),
        };
        self.normalise.map_or(normed, |learnt| affine_coupling::inverse(s, "normalise_inverse", normed, learnt, 0.0))
    }

    fn couplings_inverse(&self, s: &mut Schedule, z: Buf) -> Buf {
        let mut now = self.split(s, "halves", z);
        for i in (0..self.networks.len()).rev() {
            let (from, to) = (i % 2, (i + 1) % 2);
            s.scope(&format!("coupling{i}"), |s| {
                let (theta, _) = self.theta(s, i, now[from], Mode::Use);
                now[to] = match self.config.coupling {
                    Coupling::Affine => {
                        affine_coupling::inverse(s, "affine_inverse", now[to], theta, self.config.max_log_scale)
                    }
                    Coupling::Spline => {
                        spline::inverse(s, "spline_inverse", now[to], theta, self.config.bins, self.config.bound)
                    }
                    Coupling::Planar => unreachable!("it has no networks"),
                };
            });
        }
        channels::concat(s, "normed", now[0], now[1])
    }

    fn split(&self, s: &mut Schedule, label: &str, x: Buf) -> [Buf; 2] {
        let [first, second] = self.halves;
        [0..first, first..first + second].map(|range| channels::slice(s, label, x, range))
    }
}

/// A new buffer of one number.
pub(super) fn constant(s: &mut Schedule, shape: [usize; 2], value: f32) -> Buf {
    let buf = s.scratch(shape);
    fill::fill(s, "constant", buf, value);
    buf
}
