//! A model's layers: their outputs, parameters and costs.

use crate::run::planned::Planned;
use gpu_core::{Arena, Call, Parameter, Shape};
use models::{Model, Network, PhaseKind};

/// A layer with parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Name of its parameters in a checkpoint, without the last part: `decoder.0`. Layers that share a product are
    /// joined by `+`.
    pub name: String,
    /// Operator of its forward pass.
    pub operator: &'static str,
    /// Shape of its output for a batch.
    pub output: Shape,
    /// Number of parameters.
    pub parameters: usize,
    /// Floating-point operations of its forward pass; a multiply-add counts as two.
    pub flops: u64,
}

/// The layers of a network, in the order of its parameters.
pub fn layers(network: &Network, phases: &[Planned]) -> Vec<Layer> {
    let mut layers: Vec<(&str, Layer)> = Vec::new();
    for parameter in network.weights.parameters() {
        let Some((stem, calls)) = forward(network, parameter, phases) else { continue };
        let (name, parameters) = (layer_name(parameter), parameter.shape.len());
        match layers.iter_mut().find(|(known, layer)| *known == stem || layer.name == name) {
            Some((_, layer)) => {
                if layer.name.split('+').all(|part| part != name) {
                    layer.name = format!("{}+{name}", layer.name);
                }
                layer.parameters += parameters;
            }
            None => {
                let last = calls.last().expect("a call reads the parameter");
                let output = last.writes().next().expect("a call writes a buffer; tests/contract.rs").shape;
                let flops = calls.iter().map(|call| call.flops).sum();
                let operator = last.kernel.op;
                layers.push((stem, Layer { name: name.into(), operator, output, parameters, flops }));
            }
        }
    }
    layers.into_iter().map(|(_, layer)| layer).collect()
}

/// The parameters of a model.
pub fn parameters(model: &dyn Model) -> usize {
    model.networks().iter().map(|network| network.weights.count()).sum()
}

fn layer_name(parameter: &Parameter) -> &str {
    parameter.name.rsplit_once('.').map_or(&parameter.name, |(layer, _)| layer)
}

/// The calls of the layer that reads a parameter first, and the common start of their labels.
fn forward<'a>(network: &Network, parameter: &Parameter, phases: &'a [Planned]) -> Option<(&'a str, Vec<&'a Call>)> {
    let id = network.weights.arena(Arena::Values);
    let reads =
        |call: &&Call| call.bufs.iter().any(|buf| buf.id == id && buf.range().contains(&(parameter.offset as usize)));
    let phases =
        phases.iter().map(|planned| &planned.phase).filter(|phase| matches!(phase.kind, PhaseKind::Backward(_)));
    for phase in phases {
        let calls = phase.schedule.calls();
        if let Some(first) = calls.iter().find(reads) {
            let stem = stem(&first.label);
            return Some((stem, calls.iter().filter(|call| self::stem(&call.label) == stem).collect()));
        }
    }
    None
}

/// A label without what follows the layer: `decoder.0` of `decoder.0.forward.spread`.
fn stem(label: &str) -> &str {
    label.split(".forward").next().unwrap_or(label)
}
