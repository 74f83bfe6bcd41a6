//! A network: its parameters, and the state beside them that training moves without a gradient.

use gpu_core::{Arena, Buf, Dtype, Init, Layout, Memory, Shape, Weights};

/// One named tensor of state: running statistics, singular vectors, averages of codes.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name in checkpoints; PyTorch's where PyTorch has one.
    pub name: String,
    /// Where it lies.
    pub buf: Buf,
    /// How it lies in a checkpoint.
    pub layout: Layout,
    /// How it starts.
    pub init: Init,
    /// Keeps the numbers of one seed apart; states with the same one start alike.
    pub draw: u32,
}

impl State {
    /// What it holds before training.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        self.init.values(self.buf.len(), seed, self.draw)
    }
}

/// The draws of parameters have the network's number, which is far below this, in their upper half; those of states
/// have it too.
const STATE_DRAWS: u32 = 0x8000 << 16;

/// A network under construction, and what it has come to.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its parameters.
    pub weights: Weights,
    /// Its state, in the order in which it was added.
    pub states: Vec<State>,
}

impl Network {
    /// A network without parameters yet.
    pub fn new(memory: &mut Memory, name: &str) -> Self {
        Self { weights: Weights::new(memory, name), states: Vec::new() }
    }

    /// Adds state.
    pub fn state(&mut self, memory: &mut Memory, name: &str, shape: impl Into<Shape>, init: Init) -> Buf {
        self.state_laid(memory, name, shape, Layout::Same, init)
    }

    /// Adds state that PyTorch lays out in another way.
    ///
    /// # Panics
    /// When the name is taken, or the layout is of another size than the shape.
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
        self.states.push(State { name: name.into(), buf, layout, init, draw });
        buf
    }
}
