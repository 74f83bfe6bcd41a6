//! Flows of a posterior: invertible functions from the encoder's normal numbers z₀ to z, with the logarithm of the
//! slope that changes their density.

use super::config::{FlowKind, VaeConfig};
use crate::layers::{Linear, LinearSpec, Mode, Saved, Value, Wrt};
use crate::network::Network;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::autoregressive::{self, Layer, Order};
use gpu_core::ops::matmul::{Epilogue, Form, PLAIN, product};
use gpu_core::ops::{affine_coupling, channels, elementwise, fill, planar, reduce};
use gpu_core::{Buf, Init, Memory, Schedule};

/// The bound of the logarithm of a scale in an inverse autoregressive function.
const MAX_LOG_SCALE: f32 = 2.0;

/// The functions of a flow.
#[derive(Clone, Debug)]
pub(super) enum Flow {
    /// Planar functions, whose numbers one layer gives.
    Planar(Linear, usize),
    /// Inverse autoregressive functions.
    Autoregressive(Vec<Autoregressive>),
}

/// z' = z eˢ + t, with s and t of each number from those before it and from the encoder's last layer. The order of the
/// numbers alternates from one function to the next.
#[derive(Clone, Debug)]
pub(super) struct Autoregressive {
    name: String,
    order: Order,
    act: Activation,
    /// From z to hidden units: [hidden, latent].
    input: Buf,
    /// From the encoder's last layer to hidden units.
    context: Linear,
    /// From hidden units to a | t: [2 latent, hidden].
    output: Buf,
    bias: Buf,
}

/// The values of a forward pass that its backward pass needs.
pub(super) struct Passed {
    /// The end of the flow, of z₀'s shape.
    pub(super) z: Buf,
    /// log |det dz/dz₀| of each row: `[m]`.
    pub(super) log_slope: Buf,
    /// The arguments of all functions.
    arguments: Vec<Buf>,
    of: Of,
}

enum Of {
    Planar(Buf, Box<Saved>),
    Autoregressive(Vec<Step>),
}

/// The values of an inverse autoregressive function.
struct Step {
    input: Buf,
    output: Buf,
    sum: Buf,
    hidden: Buf,
    context: Saved,
    theta: Buf,
}

impl Passed {
    /// The beginning of the flow.
    pub(super) fn z0(&self) -> Buf {
        self.arguments[0]
    }
}

impl Flow {
    /// The flow of such settings after an encoder of `inner` numbers; `None` for a normal posterior. PyTorch's names:
    /// `flow`, an `nn.Linear` with u | w | b of each planar function; or `flow.i.input.weight`, `flow.i.context`,
    /// `flow.i.output.weight` and `flow.i.output.bias`, whose outputs are a | t.
    pub(super) fn new(memory: &mut Memory, network: &mut Network, config: &VaeConfig, inner: usize) -> Option<Self> {
        let (length, latent) = (config.flow.length, config.latent);
        match config.flow.kind {
            FlowKind::None => None,
            FlowKind::Planar => {
                let spec = LinearSpec::new(inner, length * planar::width(latent), Activation::Identity);
                Some(Self::Planar(Linear::new(memory, network, "flow", spec), length))
            }
            FlowKind::Iaf => {
                let functions = (0..length).map(|i| Autoregressive::new(memory, network, config, inner, i));
                Some(Self::Autoregressive(functions.collect()))
            }
        }
    }

    /// The end of the flow from z0 [n · repeat, latent], of which `repeat` rows in turn belong to a row of h
    /// [n, inner], the encoder's last layer.
    pub(super) fn forward(&self, s: &mut Schedule, h: Value, z0: Buf, mode: Mode) -> Passed {
        let mut arguments = vec![z0];
        let mut log_slopes = Vec::new();
        let of = match self {
            Self::Planar(layer, length) => {
                let (theta, saved) = layer.forward(s, h, mode);
                for step in 0..*length {
                    let label = format!("planar{step}");
                    let (z, log_slope) = planar::forward(s, &label, arguments[step], theta.buf, step);
                    arguments.push(z);
                    log_slopes.push(log_slope);
                }
                Of::Planar(theta.buf, Box::new(saved))
            }
            Self::Autoregressive(functions) => Of::Autoregressive(Vec::from_iter(functions.iter().map(|function| {
                let z = *arguments.last().expect("there is z0");
                let ((z, log_slope), step) = s.scope(&function.name, |s| function.forward(s, h, z, mode));
                arguments.push(z);
                log_slopes.push(log_slope);
                step
            }))),
        };
        let sum = log_slopes.into_iter().reduce(|sum, next| elementwise::add(s, "log_slope", sum, next));
        let sum = sum.expect("there are functions");
        let log_slope = match self {
            Self::Planar(..) => sum,
            Self::Autoregressive(_) => reduce::rows(s, "log_slope_rows", sum, reduce::Kind::Sum),
        };
        let z = arguments.pop().expect("there is z0");
        Passed { z, log_slope, arguments, of }
    }

    /// The shape of the gradient dslope for rows of z [m, latent].
    pub(super) fn slopes(&self, z: Buf) -> [usize; 2] {
        let columns = if matches!(self, Self::Planar(..)) { 1 } else { z.shape.cols() };
        [z.shape.rows(), columns]
    }

    /// Adds the gradients of the parameters, from dz and that of log_slope, of [`Flow::slopes`]' shape. Returns dz0,
    /// and dh before the activation of h.
    pub(super) fn backward(&self, s: &mut Schedule, passed: &Passed, mut dz: Buf, dslope: Buf) -> (Buf, Buf) {
        let arguments = &passed.arguments;
        let dh = match (self, &passed.of) {
            (Self::Planar(layer, _), Of::Planar(theta, saved)) => {
                let dtheta = s.scratch([dz.shape.rows(), theta.shape.cols()]);
                fill::fill(s, "zero_theta", dtheta, 0.0);
                let dslope = dslope.reshape([dslope.len()]);
                for (step, &z) in arguments.iter().enumerate().rev() {
                    let label = format!("planar{step}.backward");
                    dz = planar::backward(s, &label, [z, *theta], [dz, dslope], step, dtheta);
                }
                layer.backward(s, saved, dtheta, Wrt::Both).expect("h needs a gradient")
            }
            (Self::Autoregressive(functions), Of::Autoregressive(steps)) => {
                let mut sum: Option<Buf> = None;
                for ((function, step), &z) in functions.iter().zip(steps).zip(arguments).rev() {
                    let dh;
                    (dz, dh) = s.scope(&function.name, |s| function.backward(s, step, z, [dz, dslope]));
                    sum = Some(sum.map_or(dh, |sum| elementwise::add(s, "dh_flow", sum, dh)));
                }
                sum.expect("there are functions")
            }
            _ => unreachable!("saved by this flow"),
        };
        (dz, dh)
    }
}

impl Autoregressive {
    fn new(memory: &mut Memory, network: &mut Network, config: &VaeConfig, inner: usize, i: usize) -> Self {
        let (name, hidden, latent) = (format!("flow.{i}"), config.flow.hidden, config.latent);
        let bounds = |inputs: usize| Init::Uniform(1.0 / (inputs as f32).sqrt());
        let mut add = |memory: &mut Memory, part: &str, shape: &[usize], init| {
            let full = format!("{name}.{part}");
            match *shape {
                [rows, cols] => network.weights.add(memory, &full, [rows, cols], init),
                _ => network.weights.add(memory, &full, [shape[0]], init),
            }
        };
        let input = add(memory, "input.weight", &[hidden, latent], bounds(latent));
        let output = add(memory, "output.weight", &[2 * latent, hidden], bounds(hidden));
        let bias = add(memory, "output.bias", &[2 * latent], bounds(hidden));
        let spec = LinearSpec::new(inner, hidden, Activation::Identity);
        let context = Linear::new(memory, network, &format!("{name}.context"), spec);
        let act = Activation::named(&config.activation).expect("the settings were validated");
        let order = Order { d: latent, reversed: i % 2 == 1 };
        Self { name, order, act, input, context, output, bias }
    }

    /// z' and its s, both of the shape of z [n · repeat, latent].
    fn forward(&self, s: &mut Schedule, h: Value, z: Buf, mode: Mode) -> ((Buf, Buf), Step) {
        let input = autoregressive::weights(s, "input", self.input, Layer::Input, self.order);
        let output = autoregressive::weights(s, "output", self.output, Layer::Output, self.order);
        let (of_h, context) = self.context.forward(s, h, mode);
        let of_h = repeated(s, of_h.buf, z.shape.rows() / of_h.buf.shape.rows());
        let of_z = product(s, "of_z", z, input, Form::NT, PLAIN);
        let sum = elementwise::add(s, "sum", of_z, of_h);
        let hidden = activation::forward(s, "hidden", sum, self.act);
        let theta = product(s, "theta", hidden, output, Form::NT, Epilogue { bias: Some(self.bias), ..PLAIN });
        let moved = affine_coupling::forward(s, "affine", z, theta, MAX_LOG_SCALE);
        (moved, Step { input, output, sum, hidden, context, theta })
    }

    /// dz of the argument z and dh, from the gradients of z' and s.
    fn backward(&self, s: &mut Schedule, step: &Step, z: Buf, upstream: [Buf; 2]) -> (Buf, Buf) {
        let (dz, dtheta) = affine_coupling::backward(s, "backward_affine", z, step.theta, upstream, MAX_LOG_SCALE);
        let dweight = product(s, "backward_output", dtheta, step.hidden, Form::TN, PLAIN);
        autoregressive::backward(s, "backward_output_seen", dweight, Layer::Output, self.order, self.output.grad());
        reduce::columns_add(s, "backward_bias", dtheta, self.bias.grad());
        let dhidden = product(s, "backward_hidden", dtheta, step.output, Form::NN, PLAIN);
        let dsum = activation::backward(s, "backward_sum", step.sum, dhidden, self.act);
        let dweight = product(s, "backward_input", dsum, z, Form::TN, PLAIN);
        autoregressive::backward(s, "backward_input_seen", dweight, Layer::Input, self.order, self.input.grad());
        let of_z = product(s, "backward_z", dsum, step.input, Form::NN, PLAIN);
        let dh = self.context.backward(s, &step.context, dsum, Wrt::Both).expect("h needs a gradient");
        (elementwise::add(s, "dz", dz, of_z), dh)
    }
}

/// Each row of y [n, q] repeated `times` times in a row: [n · times, q], by doubling.
pub(super) fn repeated(s: &mut Schedule, y: Buf, times: usize) -> Buf {
    let (rows, cols) = (y.shape.rows(), y.shape.cols());
    let (mut wide, mut copies) = (y, 1);
    while copies < times {
        let more = copies.min(times - copies);
        let rest = if more < copies { channels::slice(s, "y_part", wide, 0..more * cols) } else { wide };
        wide = channels::concat(s, "y_copies", wide, rest);
        copies += more;
    }
    wide.reshape([rows * times, cols])
}
