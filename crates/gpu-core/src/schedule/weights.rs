//! The parameters of a network: names, shapes, offsets in the arena, and initialisation.

use crate::random::{Stream, StreamRng, unit};
use crate::{ALIGN, Arena, Buf, BufferId, Dtype, Layout, Memory, Shape};
use rand::Rng;

/// The initial values of a parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Uniform on (−bound, bound).
    Uniform(f32),
    /// Normal with the given mean and standard deviation.
    Normal(f32, f32),
}

impl Init {
    /// Draws `len` values; `draw` separates the draws of one seed.
    pub fn values(self, len: usize, seed: u64, draw: u32) -> Vec<f32> {
        let mut values = vec![0.0; len];
        fill(&mut values, self, &mut StreamRng::new(seed, Stream::Init, draw));
        values
    }
}

/// One named tensor of a network.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in PyTorch: `decoder.0.weight`.
    pub name: String,
    /// Its shape in memory.
    pub shape: Shape,
    /// Its layout in PyTorch's files.
    pub layout: Layout,
    /// Its initial values.
    pub init: Init,
    /// Its start in the arena, in elements.
    pub offset: u32,
}

/// The parameters of one network in one flat arena. Gradients, optimiser state and average have arenas of equal size.
#[derive(Clone, Debug)]
pub struct Weights {
    name: String,
    network: u32,
    parameters: Vec<Parameter>,
    len: u32,
}

impl Weights {
    /// A network without parameters; reserves its arenas in `memory`.
    pub fn new(memory: &mut Memory, name: &str) -> Self {
        Self { name: name.into(), network: memory.reserve_network(), parameters: Vec::new(), len: 0 }
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters, in arena order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The number of trainable values.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|p| p.shape.len()).sum()
    }

    /// Adds a parameter.
    pub fn add(&mut self, memory: &mut Memory, name: &str, shape: impl Into<Shape>, init: Init) -> Buf {
        let shape = shape.into();
        self.add_joined(memory, &[name], shape, init).reshape(shape)
    }

    /// Adds a parameter whose layout in PyTorch's files is `layout`.
    ///
    /// # Panics
    /// If the layout does not fit the shape.
    pub fn add_laid(
        &mut self,
        memory: &mut Memory,
        name: &str,
        shape: impl Into<Shape>,
        layout: Layout,
        init: Init,
    ) -> Buf {
        let buf = self.add(memory, name, shape, init);
        assert!(layout.fits(buf.shape), "{name}: {layout:?} does not describe {}", buf.shape);
        self.parameters.last_mut().expect("just added").layout = layout;
        buf
    }

    /// Adds several parameters of one shape, adjacent in memory, so that they also form one matrix with all their rows:
    /// output heads that share one product.
    ///
    /// # Panics
    /// If a name is taken.
    pub fn add_joined(&mut self, memory: &mut Memory, names: &[&str], shape: impl Into<Shape>, init: Init) -> Buf {
        let shape = shape.into();
        let start = self.len.next_multiple_of(ALIGN);
        self.len = start;
        for &name in names {
            assert!(self.parameters.iter().all(|p| p.name != name), "duplicate parameter name {name}");
            let layout = Layout::Same;
            self.parameters.push(Parameter { name: name.into(), shape, layout, init, offset: self.len });
            self.len += shape.len() as u32;
        }
        memory.set_arena(self.network, self.len.next_multiple_of(ALIGN));
        let rank_one = shape.dims().len() == 1;
        let joined = match rank_one {
            true => Shape::from([names.len() * shape.len()]),
            false => Shape::from([names.len() * shape.rows(), shape.cols()]),
        };
        Buf { id: self.arena(Arena::Values), offset: start, shape: joined, dtype: Dtype::F32 }
    }

    /// The id of one of the network's arenas.
    ///
    /// # Panics
    /// If `arena` is not an arena of a network.
    pub fn arena(&self, arena: Arena) -> BufferId {
        assert!(arena < Arena::Persistent, "{arena:?} is not an arena of a network");
        BufferId { arena, index: self.network }
    }

    /// The initial contents of the parameter arena; gaps left by alignment are zero.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut arena = vec![0.0; self.len.next_multiple_of(ALIGN) as usize];
        for (number, parameter) in self.parameters.iter().enumerate() {
            let start = parameter.offset as usize;
            let values = &mut arena[start..start + parameter.shape.len()];
            let draw = (self.network << 16) | number as u32;
            values.copy_from_slice(&parameter.init.values(values.len(), seed, draw));
        }
        arena
    }
}

fn fill(values: &mut [f32], init: Init, rng: &mut StreamRng) {
    match init {
        Init::Constant(value) => values.fill(value),
        Init::Uniform(bound) => values.fill_with(|| ((2.0 * unit(rng.next_u32()) - 1.0) * f64::from(bound)) as f32),
        Init::Normal(mean, std) => values.fill_with(|| {
            let radius = (-2.0 * unit(rng.next_u32()).ln()).sqrt();
            let angle = std::f64::consts::TAU * unit(rng.next_u32());
            (f64::from(mean) + f64::from(std) * radius * angle.cos()) as f32
        }),
    }
}
