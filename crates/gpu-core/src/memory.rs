//! The register of everything that outlives a schedule.

use crate::{Buf, Dtype, Home, Place, Shape};

/// A model's persistent places: one set of arenas per network, and pinned buffers by name.
///
/// An executor is made from a `Memory` and allocates a place when a schedule first names it, filled with zeros.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pinned: Vec<(String, Buf)>,
    arenas: Vec<u32>,
}

impl Memory {
    /// A persistent buffer, zero until written.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn pin(&mut self, name: &str, shape: impl Into<Shape>, dtype: Dtype) -> Buf {
        assert!(self.pinned(name).is_none(), "two pinned buffers are called {name}");
        let place = Place { home: Home::Pinned, id: self.pinned.len() as u32 };
        let buf = Buf { place, offset: 0, shape: shape.into(), dtype };
        self.pinned.push((name.into(), buf));
        buf
    }

    /// The pinned buffer of that name.
    pub fn pinned(&self, name: &str) -> Option<Buf> {
        self.pinned.iter().find(|(n, _)| n == name).map(|(_, buf)| *buf)
    }

    /// Reserves the arenas of one network and returns its number; their size comes with [`Self::set_arena`].
    pub(crate) fn reserve_network(&mut self) -> u32 {
        self.arenas.push(0);
        self.arenas.len() as u32 - 1
    }

    /// Fixes how many elements each arena of a network holds.
    pub(crate) fn set_arena(&mut self, network: u32, elements: u32) {
        self.arenas[network as usize] = elements;
    }

    /// A persistent place as one buffer.
    ///
    /// # Panics
    /// When the place is scratch, or of another memory.
    pub fn whole(&self, place: Place) -> Buf {
        match place.home {
            Home::Scratch => panic!("{place:?} is scratch: it belongs to a schedule, not to a memory"),
            Home::Pinned => self.pinned[place.id as usize].1,
            _ => {
                let shape = Shape::from([self.arenas[place.id as usize] as usize]);
                Buf { place, offset: 0, shape, dtype: Dtype::F32 }
            }
        }
    }
}
