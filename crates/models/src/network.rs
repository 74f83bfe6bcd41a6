//! A network: its parameters, and state that training changes without a gradient.

use gpu_core::ops::spectral_norm::{self, SpectralNorm};
use gpu_core::{Arena, Buf, BufferId, Dtype, Init, Layout, Memory, Schedule, Shape, Weights};

/// One named tensor of state: running statistics, singular vectors, averages of codes.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name in checkpoints; PyTorch's where PyTorch has one.
    pub name: String,
    /// Its buffer.
    pub buf: Buf,
    /// Its layout in a checkpoint.
    pub layout: Layout,
    /// Its initialisation.
    pub init: Init,
    /// Selects the random numbers of its initialisation under a seed; equal draws give equal values.
    pub draw: u32,
    /// Its running average, of a statistic that belongs to weights.
    pub average: Option<Buf>,
}

impl State {
    /// Its values before training.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        self.init.values(self.buf.len(), seed, self.draw)
    }
}

/// The draws of a network's parameters have its number, which is far below this, in their upper half; those of its
/// states have both.
const STATE_DRAWS: u32 = 0x8000 << 16;

/// A network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its parameters.
    pub weights: Weights,
    /// Its states, in the order of their addition.
    pub states: Vec<State>,
    /// Its spectrally normalised weights: the layer's name, the weight, and its singular vectors.
    pub spectral: Vec<(String, Buf, SpectralNorm)>,
}

impl Network {
    /// A network without parameters yet.
    pub fn new(memory: &mut Memory, name: &str) -> Self {
        Self { weights: Weights::new(memory, name), states: Vec::new(), spectral: Vec::new() }
    }

    /// Adds a state.
    pub fn state(&mut self, memory: &mut Memory, name: &str, shape: impl Into<Shape>, init: Init) -> Buf {
        self.state_laid(memory, name, shape, Layout::Same, init)
    }

    /// Adds a state whose layout in PyTorch differs.
    ///
    /// # Panics
    /// When the name is taken, or the sizes of layout and shape differ.
    pub fn state_laid(
        &mut self,
        memory: &mut Memory,
        name: &str,
        shape: impl Into<Shape>,
        layout: Layout,
        init: Init,
    ) -> Buf {
        let buf = memory.add(name, shape, Dtype::F32);
        assert!(layout.fits(buf.shape), "{name}: {layout:?} does not describe {}", buf.shape);
        let network = self.weights.arena(Arena::Values).index;
        let draw = STATE_DRAWS | network << 16 | self.states.len() as u32;
        self.states.push(State { name: name.into(), buf, layout, init, draw, average: None });
        buf
    }

    /// Adds a statistic of activations, which are those of the weights: where weights have a running average, it has
    /// one too.
    pub fn statistic(&mut self, memory: &mut Memory, name: &str, shape: impl Into<Shape>, init: Init) -> Buf {
        let buf = self.state(memory, name, shape, init);
        let average = memory.add(&format!("average/{name}"), buf.shape, Dtype::F32);
        self.states.last_mut().expect("just added").average = Some(average);
        buf
    }

    /// Pushes a power iteration of every spectrally normalised weight.
    pub(crate) fn iterate(&self, s: &mut Schedule) {
        for (name, w, norm) in &self.spectral {
            s.scope(name, |s| spectral_norm::iterate(s, "spectral_norm", *w, norm));
        }
    }

    /// Every buffer that a pass with averaged weights replaces, with the running average in its place.
    pub fn averages(&self) -> Vec<(BufferId, BufferId)> {
        let values = self.weights.arena(Arena::Values);
        let statistics = self.states.iter().filter_map(|state| Some((state.buf.id, state.average?.id)));
        [(values, BufferId { arena: Arena::Average, ..values })].into_iter().chain(statistics).collect()
    }
}
