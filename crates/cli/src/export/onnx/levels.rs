//! Finite scalar quantisation in ONNX operators, of rows with a number for each channel.

use super::graph::{Graph, Set};

/// h, o and s of a number of levels: half the range, the offset of even numbers, and the shift that keeps zero at zero.
fn range(levels: usize) -> [f64; 3] {
    let h = (levels - 1) as f64 * (1.0 - 1e-3) / 2.0;
    let o = if levels.is_multiple_of(2) { 0.5 } else { 0.0 };
    [h, o, (o / h).tan()]
}

impl Graph {
    /// A constant with a number for each channel.
    fn of_levels(&mut self, levels: &[usize], of: impl Fn(usize) -> f64) -> String {
        let values: Vec<f32> = levels.iter().map(|&level| of(level) as f32).collect();
        self.numbers(None, &[levels.len()], &values)
    }

    /// (h tanh(z + s) − o) / c
    pub(super) fn level_bound(&mut self, z: &str, levels: &[usize]) -> String {
        let z = self.rows(z, levels.len());
        let half = |level: usize| (level / 2) as f64;
        let s = self.of_levels(levels, |level| range(level)[2]);
        let scale = self.of_levels(levels, |level| range(level)[0] / half(level));
        let shift = self.of_levels(levels, |level| range(level)[1] / half(level));
        let y = self.node("Add", &[&z, &s], &[]);
        let y = self.node("Tanh", &[&y], &[]);
        let y = self.node("Mul", &[&y, &scale], &[]);
        self.node("Sub", &[&y, &shift], &[])
    }

    /// The nearest levels of each number, (level − c) / c, and the index of each row: its levels as digits.
    pub(super) fn level_quantise(&mut self, latents: &str, levels: &[usize]) -> (String, String) {
        let latents = self.rows(latents, levels.len());
        let c = self.of_levels(levels, |level| (level / 2) as f64);
        let most = self.of_levels(levels, |level| (level - 1) as f64);
        let none = self.number(0.0);
        let y = self.node("Mul", &[&latents, &c], &[]);
        let y = self.node("Add", &[&y, &c], &[]);
        let y = self.affine(&y, 1.0, 0.5);
        let y = self.node("Floor", &[&y], &[]);
        let y = self.node("Max", &[&y, &none], &[]);
        let level = self.node("Min", &[&y, &most], &[]);
        let q = self.node("Sub", &[&level, &c], &[]);
        let q = self.node("Div", &[&q, &c], &[]);
        let places: Vec<f32> = places(levels).map(|place| place as f32).collect();
        let places = self.numbers(None, &[levels.len(), 1], &places);
        let index = self.node("MatMul", &[&level, &places], &[]);
        (q, self.node("Cast", &[&index], &[("to", Set::I(7))]))
    }

    /// The levels of indices, each (level − c) / c.
    pub(super) fn level_lookup(&mut self, index: &str, levels: &[usize]) -> String {
        let codes: usize = levels.iter().product();
        let digit = |code: usize, (level, place): (usize, usize)| {
            let c = (level / 2) as f32;
            ((code / place % level) as f32 - c) / c
        };
        let pairs: Vec<_> = levels.iter().copied().zip(places(levels)).collect();
        let table: Vec<f32> = (0..codes).flat_map(|code| pairs.iter().map(move |&pair| digit(code, pair))).collect();
        let table = self.numbers(None, &[codes, levels.len()], &table);
        let index = self.reshape(index, &[-1]);
        self.node("Gather", &[&table, &index], &[("axis", Set::I(0))])
    }
}

/// The place of each digit.
fn places(levels: &[usize]) -> impl Iterator<Item = usize> + '_ {
    levels.iter().scan(1, |place, level| {
        let this = *place;
        *place *= level;
        Some(this)
    })
}
