//! Initial values of networks.

use crate::model::Model;
use gpu_core::{Arena, Buf};

/// The initial values of all networks' weights and states under `seed`, each with the buffer that it belongs in;
/// `with_average` adds those of the running averages. A frozen network has values too, until it gets those of its run.
pub fn initial_values(model: &dyn Model, seed: u64, with_average: bool) -> Vec<(Buf, Vec<f32>)> {
    let mut values = Vec::new();
    for network in model.networks().into_iter().chain(model.frozen()) {
        let with_average = with_average && !model.frozen().is_some_and(|frozen| std::ptr::eq(frozen, network));
        let weights = network.weights.initial(seed);
        let arena = model.memory().whole(network.weights.arena(Arena::Values));
        if with_average {
            values.push((arena.sibling(Arena::Average), weights.clone()));
        }
        values.push((arena, weights));
        for state in &network.states {
            let average = state.average.filter(|_| with_average);
            values.extend(average.into_iter().chain([state.buf]).map(|buf| (buf, state.initial(seed))));
        }
    }
    values
}
