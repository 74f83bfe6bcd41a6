//! The registry of buffers that outlive a schedule.

use crate::{Arena, Buf, BufferId, Dtype, Shape};

/// A model's persistent buffers: one set of arenas per network, and named buffers.
///
/// An executor is created from a `Memory`. It allocates each buffer, filled with zeros, when a schedule first uses it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    named: Vec<(String, Buf)>,
    arenas: Vec<u32>,
}

impl Memory {
    /// Adds a persistent buffer, initially zero.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn add(&mut self, name: &str, shape: impl Into<Shape>, dtype: Dtype) -> Buf {
        assert!(self.get(name).is_none(), "duplicate buffer name {name}");
        let id = BufferId { arena: Arena::Persistent, index: self.named.len() as u32 };
        let buf = Buf { id, offset: 0, shape: shape.into(), dtype };
        self.named.push((name.into(), buf));
        buf
    }

    /// The buffer called `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<Buf> {
        self.named.iter().find(|(n, _)| n == name).map(|(_, buf)| *buf)
    }

    /// The name of a persistent buffer that [`Self::add`] made; `None` for an arena of a network.
    ///
    /// # Panics
    /// If the buffer belongs to another memory.
    pub fn name(&self, id: BufferId) -> Option<&str> {
        (id.arena == Arena::Persistent).then(|| self.named[id.index as usize].0.as_str())
    }

    /// Reserves the arenas of a network and returns its index; [`Self::set_arena`] sets their size.
    pub(crate) fn reserve_network(&mut self) -> u32 {
        self.arenas.push(0);
        self.arenas.len() as u32 - 1
    }

    /// Sets the number of elements of each arena of a network.
    pub(crate) fn set_arena(&mut self, network: u32, elements: u32) {
        self.arenas[network as usize] = elements;
    }

    /// The whole of a persistent device buffer.
    ///
    /// # Panics
    /// If the buffer is scratch, or belongs to another memory.
    pub fn whole(&self, id: BufferId) -> Buf {
        match id.arena {
            Arena::Scratch => panic!("{id:?} is scratch: it belongs to a schedule, not to a memory"),
            Arena::Persistent => self.named[id.index as usize].1,
            _ => {
                let shape = Shape::from([self.arenas[id.index as usize] as usize]);
                Buf { id, offset: 0, shape, dtype: Dtype::F32 }
            }
        }
    }
}
