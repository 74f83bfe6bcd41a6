//! A graph of ONNX operators under construction. A value is called by its name.

use super::proto::{
    Attribute, Dimension, Graph as Message, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use gpu_core::ops::activation::Activation;
use prost::Message as _;
use std::collections::{HashMap, HashSet};

/// The version of the operators.
const OPSET: i64 = 17;
/// The version of the format that goes with it.
const IR_VERSION: i64 = 8;
/// The name of the dimension that counts images.
const BATCH: &str = "batch";

/// An element type, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Element {
    /// Single precision.
    F32 = 1,
    /// Integers of 64 bits.
    I64 = 7,
}

/// A value of an attribute.
#[derive(Clone, Debug)]
pub(super) enum Set<'a> {
    F(f32),
    I(i64),
    S(&'a str),
    Ints(Vec<i64>),
}

/// A graph.
#[derive(Debug, Default)]
pub(super) struct Graph {
    message: Message,
    /// Names of constants by their contents, so that each is there once.
    constants: HashMap<(Vec<i64>, i32, Vec<u8>), String>,
}

fn attribute(&(name, ref set): &(&str, Set<'_>)) -> Attribute {
    let named = Attribute { name: name.into(), ..Attribute::default() };
    match set {
        Set::F(f) => Attribute { f: Some(*f), kind: 1, ..named },
        Set::I(i) => Attribute { i: Some(*i), kind: 2, ..named },
        Set::S(s) => Attribute { s: Some(s.as_bytes().to_vec()), kind: 3, ..named },
        Set::Ints(ints) => Attribute { ints: ints.clone(), kind: 7, ..named },
    }
}

fn info(name: &str, element: Element, rest: &[usize]) -> ValueInfo {
    let batch = Dimension { value: None, param: Some(BATCH.into()) };
    let rest = rest.iter().map(|&size| Dimension { value: Some(size as i64), param: None });
    let shape = Some(Shape { dim: [batch].into_iter().chain(rest).collect() });
    let tensor = Some(TensorType { elem_type: element as i32, shape });
    ValueInfo { name: name.into(), of: Some(Type { tensor }) }
}

impl Graph {
    /// Adds an input of shape [batch, rest].
    pub(super) fn input(&mut self, name: &str, element: Element, rest: &[usize]) {
        self.message.input.push(info(name, element, rest));
    }

    /// Adds an output of shape [batch, rest], which is this value.
    pub(super) fn output(&mut self, name: &str, element: Element, rest: &[usize], value: &str) {
        self.message.output.push(info(name, element, rest));
        let node = Node { input: vec![value.into()], output: vec![name.into()], ..Node::default() };
        self.message.node.push(Node { name: format!("{name}.output"), op_type: "Identity".into(), ..node });
    }

    /// Adds an operator with one output.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Set<'_>)]) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.message.node.len());
        self.message.node.push(Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.into(),
            attribute: attributes.iter().map(attribute).collect(),
        });
        name
    }

    fn constant(&mut self, name: Option<&str>, dims: &[usize], element: Element, raw_data: Vec<u8>) -> String {
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        let data_type = element as i32;
        let key = (dims.clone(), data_type, raw_data.clone());
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let taken = |name: &&str| self.message.initializer.iter().all(|tensor| tensor.name != *name);
        let number = self.message.initializer.len();
        let name = name.filter(taken).map_or_else(|| format!("constant_{number}"), String::from);
        self.message.initializer.push(Tensor { dims, data_type, name: name.clone(), raw_data });
        self.constants.insert(key, name.clone());
        name
    }

    /// A constant of numbers, under this name if there is one and no other has it.
    pub(super) fn numbers(&mut self, name: Option<&str>, dims: &[usize], values: &[f32]) -> String {
        assert_eq!(dims.iter().product::<usize>(), values.len(), "{name:?} is not of the shape {dims:?}");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, dims, Element::F32, bytes)
    }

    /// A constant number.
    pub(super) fn number(&mut self, value: f32) -> String {
        self.numbers(None, &[], &[value])
    }

    /// A constant list of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(None, &[values.len()], Element::I64, bytes)
    }

    /// x under another shape, in which −1 is the rest.
    pub(super) fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.integers(shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    /// x in rows of `columns`.
    pub(super) fn rows(&mut self, x: &str, columns: usize) -> String {
        self.reshape(x, &[-1, columns as i64])
    }

    /// x with its axes in another order.
    pub(super) fn transpose(&mut self, x: &str, axes: &[i64]) -> String {
        self.node("Transpose", &[x], &[("perm", Set::Ints(axes.to_vec()))])
    }

    /// x as images [batch, c, h, w], of pixels [h, w, c].
    pub(super) fn channels_first(&mut self, x: &str, [h, w, c]: [usize; 3]) -> String {
        let images = self.reshape(x, &[-1, h as i64, w as i64, c as i64]);
        self.transpose(&images, &[0, 3, 1, 2])
    }

    /// Images [batch, c, h, w] as pixels [batch, h, w, c].
    pub(super) fn channels_last(&mut self, x: &str) -> String {
        self.transpose(x, &[0, 2, 3, 1])
    }

    /// scale · x + shift
    pub(super) fn affine(&mut self, x: &str, scale: f32, shift: f32) -> String {
        let mut y = x.to_string();
        if scale != 1.0 {
            let scale = self.number(scale);
            y = self.node("Mul", &[&y, &scale], &[]);
        }
        if shift != 0.0 {
            let shift = self.number(shift);
            y = self.node("Add", &[&y, &shift], &[]);
        }
        y
    }

    /// act(x)
    pub(super) fn activation(&mut self, x: &str, act: Activation) -> String {
        match act {
            Activation::Identity => x.into(),
            Activation::Relu => self.node("Relu", &[x], &[]),
            Activation::LeakyRelu(alpha) => self.node("LeakyRelu", &[x], &[("alpha", Set::F(alpha))]),
            Activation::Tanh => self.node("Tanh", &[x], &[]),
            Activation::Sigmoid => self.node("Sigmoid", &[x], &[]),
            Activation::Softplus => self.node("Softplus", &[x], &[]),
            Activation::Elu(alpha) => self.node("Elu", &[x], &[("alpha", Set::F(alpha))]),
            Activation::Silu => {
                let share = self.node("Sigmoid", &[x], &[]);
                self.node("Mul", &[x, &share], &[])
            }
        }
    }

    /// Removes the operators and constants that no output depends on.
    fn prune(&mut self) {
        let mut used: HashSet<String> = self.message.output.iter().map(|output| output.name.clone()).collect();
        let mut kept = Vec::new();
        for node in self.message.node.drain(..).rev() {
            if node.output.iter().any(|name| used.contains(name)) {
                used.extend(node.input.iter().cloned());
                kept.push(node);
            }
        }
        kept.reverse();
        self.message.node = kept;
        self.message.initializer.retain(|tensor| used.contains(&tensor.name));
    }

    /// The file: a model of this graph.
    pub(super) fn file(mut self, name: &str, doc: &str) -> Vec<u8> {
        self.prune();
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "frit".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: doc.into(),
            graph: Some(Message { name: name.into(), ..self.message }),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        };
        model.encode_to_vec()
    }
}
