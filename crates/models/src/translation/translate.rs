//! Translations of test images and of given ones.

use super::{CycleGan, Paired, RANGE};
use crate::capabilities::{Translation, Translator};
use crate::data::Side;
use crate::layers::halvings;
use crate::model::Model;
use crate::pass::Pass;
use gpu_core::ops::attention::MAX_POSITIONS;
use gpu_core::{Buf, Schedule};

/// Images [n, h, w, c] as rows.
fn rows(images: Buf) -> Buf {
    let count = images.shape.dims()[0] as usize;
    images.reshape([count, images.len() / count])
}

/// A buffer for given images [count, h, w, c], which the host writes.
fn given(s: &mut Schedule, count: usize, [h, w]: [usize; 2], channels: usize) -> Buf {
    let given = s.scratch([count, h, w, channels]);
    s.feed(given);
    given
}

impl Translator for CycleGan {
    fn targets(&self) -> &'static [Side] {
        &[Side::B, Side::A]
    }

    fn source(&self, to: Side) -> [usize; 3] {
        self.spec(to.other()).image
    }

    /// The third output is the translations back.
    fn translate(&self, batch: usize, to: Side, _seed: u64) -> Pass {
        let mut s = Schedule::new();
        let order = self.buffers().test_order(&mut s, batch);
        let source = self.buffers().set_test_images(&mut s, to.other().index(), order, RANGE);
        let source = self.images(to.other(), source);
        let fake = self.translated(&mut s, to, source);
        let back = self.translated(&mut s, to.other(), fake);
        Pass::new(s, &[source, fake, back].map(rows))
    }

    fn translate_given(&self, count: usize, size: [usize; 2], to: Side) -> Translation {
        let mut s = Schedule::new();
        let given = given(&mut s, count, size, self.source(to)[2]);
        let fake = self.translated(&mut s, to, given);
        Translation { given: rows(given), pass: Pass::new(s, &[rows(fake)]) }
    }

    fn multiple(&self) -> usize {
        1 << self.config().halvings
    }
}

impl Translator for Paired {
    fn targets(&self) -> &'static [Side] {
        &[Side::B]
    }

    fn source(&self, _to: Side) -> [usize; 3] {
        self.input()
    }

    /// The third output is the true images.
    fn translate(&self, batch: usize, _to: Side, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let [input, target] = self.test_pairs(&mut s, batch, seed);
        let output = self.translated(&mut s, input);
        Pass::new(s, &[input, output, target].map(rows))
    }

    fn fits(&self, [h, w]: [usize; 2]) -> bool {
        let [h, w] = halvings([h, w, 1], self.config().halvings)[self.config().halvings];
        self.config().heads == 0 || h * w <= MAX_POSITIONS
    }

    fn translate_given(&self, count: usize, size: [usize; 2], _to: Side) -> Translation {
        let mut s = Schedule::new();
        let given = given(&mut s, count, size, self.input()[2]);
        let output = self.translated(&mut s, given);
        Translation { given: rows(given), pass: Pass::new(s, &[rows(output)]) }
    }

    fn multiple(&self) -> usize {
        1 << self.config().halvings
    }
}
