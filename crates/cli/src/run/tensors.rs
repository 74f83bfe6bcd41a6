//! The tensors of a model's networks, with the names and layouts of a weights file.

use crate::io::error::{Result, ensure};
use crate::run::checkpoint::Checkpoint;
use gpu_core::{Arena, Array, Buf, Dtype, Layout};
use models::{Model, Network, Optimiser, State};

/// Prefix of the running averages of parameters in a checkpoint.
pub(crate) const AVERAGE: &str = "average/";

/// One tensor of a network in a file.
pub(crate) struct Tensor {
    /// Its name in the file.
    pub(crate) name: String,
    /// Its buffer.
    pub(crate) buf: Buf,
    /// Its layout in the buffer.
    pub(crate) layout: Layout,
}

/// The parameters of every network of a model, each with its range of an arena.
pub(crate) fn parameters(model: &dyn Model, arena: Arena) -> Vec<Tensor> {
    model.networks().into_iter().flat_map(|network| of_network(network, arena)).collect()
}

fn of_network(network: &Network, arena: Arena) -> Vec<Tensor> {
    let id = network.weights.arena(arena);
    let tensor = |p: &gpu_core::Parameter| {
        let buf = Buf { id, offset: p.offset, shape: p.shape, dtype: Dtype::F32 };
        Tensor { name: p.name.clone(), buf, layout: p.layout.clone() }
    };
    network.weights.parameters().iter().map(tensor).collect()
}

/// The weights and the state of a model's frozen network, under their names in the run that trained it.
pub(crate) fn frozen(model: &dyn Model) -> Vec<Tensor> {
    let of = |network: &Network| {
        let states = network.states.iter().map(|state| state_tensor(state, state.buf));
        of_network(network, Arena::Values).into_iter().chain(states).collect()
    };
    model.frozen().map_or_else(Vec::new, of)
}

/// The tensors of the frozen network of a model, under the name of the network.
pub(crate) fn frozen_of_run(model: &dyn Model) -> Vec<Tensor> {
    let network = model.frozen().map(|network| format!("{}/", network.weights.name()));
    named(&network.unwrap_or_default(), frozen(model))
}

/// The networks' tensors that a checkpoint keeps: parameters, optimiser state, running averages, network states.
/// Gradients are zero between steps.
pub(crate) fn of_checkpoint(model: &dyn Model, optimiser: Optimiser) -> Vec<Tensor> {
    let slots = (0..).zip(optimiser.slots());
    let slots = slots.map(|(slot, name)| (Arena::OptimSlot(slot), format!("optim.{name}/")));
    let arenas = [(Arena::Values, String::new())].into_iter().chain(slots);
    let of_arena = |(arena, prefix): (Arena, String)| named(&prefix, parameters(model, arena));
    let averages = named(AVERAGE, averages(model, optimiser));
    arenas.flat_map(of_arena).chain(averages).chain(network_states(model)).chain(frozen_of_run(model)).collect()
}

/// The running averages of the networks' parameters and statistics, under their names, if they are kept.
pub(crate) fn averages(model: &dyn Model, optimiser: Optimiser) -> Vec<Tensor> {
    if optimiser.average == 0.0 {
        return Vec::new();
    }
    parameters(model, Arena::Average).into_iter().chain(averaged_states(model)).collect()
}

/// Tensors with a prefix before their names.
fn named(prefix: &str, tensors: Vec<Tensor>) -> Vec<Tensor> {
    let named = |tensor: Tensor| Tensor { name: format!("{prefix}{}", tensor.name), ..tensor };
    tensors.into_iter().map(named).collect()
}

/// The state of the networks of a model other than parameters.
pub(crate) fn network_states(model: &dyn Model) -> Vec<Tensor> {
    states(model).map(|state| state_tensor(state, state.buf)).collect()
}

/// The running averages of those states that have one, under the names of the states.
pub(crate) fn averaged_states(model: &dyn Model) -> Vec<Tensor> {
    states(model).filter_map(|state| Some(state_tensor(state, state.average?))).collect()
}

fn states(model: &dyn Model) -> impl Iterator<Item = &State> {
    model.networks().into_iter().flat_map(|network| &network.states)
}

fn state_tensor(state: &State, buf: Buf) -> Tensor {
    Tensor { name: state.name.clone(), buf, layout: state.layout.clone() }
}

/// Checks that a file has the weights and the networks' state of a model.
///
/// # Errors
/// A tensor is missing, or has another shape or a type that frit does not read.
pub fn check_tensors(model: &dyn Model, file: &Checkpoint) -> Result<()> {
    let mut tensors = parameters(model, Arena::Values).into_iter().chain(network_states(model));
    tensors.try_for_each(|Tensor { name, buf, layout }| file.check(&name, &layout.file_shape(buf.shape)))
}

/// A tensor's numbers from a file, in the layout of the buffer.
pub(crate) fn numbers(file: &mut Checkpoint, name: &str, buf: Buf, layout: &Layout) -> Result<Array> {
    let values = file.take(name, &layout.file_shape(buf.shape))?;
    ensure!(values.as_u32().is_none(), Checkpoint, "{name} in {} has type U32; save it as float32", file.name);
    Ok(map(&values, |x| layout.from_file(x), |x| layout.from_file(x)))
}

/// Numbers in another order, in whichever precision they have.
pub(crate) fn map(values: &Array, f32s: impl Fn(&[f32]) -> Vec<f32>, f64s: impl Fn(&[f64]) -> Vec<f64>) -> Array {
    match values {
        Array::F32(values) => Array::F32(f32s(values)),
        Array::F64(values) => Array::F64(f64s(values)),
        Array::U32(words) => Array::U32(words.clone()),
    }
}
