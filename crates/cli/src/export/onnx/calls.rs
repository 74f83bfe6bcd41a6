//! Kernel calls as ONNX operators. A value holds the numbers of its buffer in the same order, with the images of a
//! batch along the first axis; a schedule for one image therefore has every other size.

use super::graph::{Graph, Set};
use crate::io::error::{Result, ensure};
use crate::run::session::Session;
use crate::run::tensors;
use gpu_core::ops::activation::Activation;
use gpu_core::{Arena, Buf, BufferId, Call, Schedule};
use std::collections::{HashMap, HashSet};

/// The translation of a schedule for one image.
pub(super) struct Calls<'a> {
    session: &'a mut Session,
    pub(super) graph: Graph,
    values: HashMap<(BufferId, u32), String>,
    /// The call that wrote a buffer.
    pub(super) written_by: HashMap<BufferId, Call>,
    /// Products that are the first half of a transposed convolution, by the buffers that they write.
    halves: HashSet<BufferId>,
    /// Kernels without a translation, by the buffers that they wrote.
    missing: HashMap<BufferId, &'static str>,
    /// The value whose first axis counts the images.
    counted: Option<String>,
}

impl<'a> Calls<'a> {
    /// The translation of a schedule, before its first call.
    pub(super) fn new(session: &'a mut Session, schedule: &Schedule) -> Self {
        let (values, written_by, missing) = (HashMap::new(), HashMap::new(), HashMap::new());
        let folds = schedule.calls().iter().filter(|call| call.kernel.name == "conv2d_fold");
        let halves = folds.map(|call| buf(call, "image").id).collect();
        Self { session, graph: Graph::default(), values, written_by, halves, missing, counted: None }
    }

    /// Names the input that counts the images.
    pub(super) fn count(&mut self, input: &str) {
        self.counted.get_or_insert_with(|| input.into());
    }

    /// The value of a buffer.
    pub(super) fn value(&mut self, buf: Buf) -> Result<String> {
        if let Some(name) = self.values.get(&(buf.id, buf.offset)) {
            return Ok(name.clone());
        }
        let kernel = self.missing.get(&buf.id).copied().unwrap_or("an unknown kernel");
        ensure!(buf.id.arena != Arena::Scratch, Model, "a network with {kernel} cannot be exported to ONNX");
        self.weight(buf, buf.shape.dims().iter().map(|&dim| dim as usize).collect(), |x| x.to_vec())
    }

    /// Sets the value of a buffer.
    pub(super) fn set(&mut self, buf: Buf, name: String) {
        self.values.insert((buf.id, buf.offset), name);
    }

    /// The numbers of a weight.
    pub(super) fn read(&mut self, buf: Buf) -> Result<Vec<f32>> {
        ensure!(
            buf.id.arena != Arena::Scratch,
            Model,
            "a network whose weights are computed cannot be exported to ONNX"
        );
        Ok(self.session.executor.read(buf)?.to_f32())
    }

    /// A weight as a constant, under its name in a checkpoint.
    pub(super) fn weight(&mut self, buf: Buf, dims: Vec<usize>, order: impl Fn(&[f32]) -> Vec<f32>) -> Result<String> {
        let values = order(&self.read(buf)?);
        let model = self.session.model.as_ref();
        let arena = if buf.id.arena == Arena::Average { Arena::Average } else { Arena::Values };
        let known = tensors::parameters(model, arena).into_iter().chain(tensors::frozen(model));
        let mut known = known.filter(|tensor| tensor.buf.id == buf.id && tensor.buf.offset == buf.offset);
        let name = known.next().map(|tensor| tensor.name);
        Ok(self.graph.numbers(name.as_deref(), &dims, &values))
    }

    /// The weight [a, kh, kw, b] of a convolution as [a, b, kh, kw].
    pub(super) fn filter(&mut self, buf: Buf, dims @ [a, kh, kw, b]: [usize; 4]) -> Result<String> {
        let layout = gpu_core::Layout::filter(dims);
        self.weight(buf, vec![a, b, kh, kw], |x| layout.to_file(x))
    }

    /// Translates a call. A kernel without a translation is an error where its output is used.
    pub(super) fn call(&mut self, call: &Call) -> Result<()> {
        let done = match call.kernel.name {
            "matmul" if call.writes().any(|out| self.halves.contains(&out.id)) => false,
            "matmul" => self.matmul(call)?,
            "conv2d_forward" => self.convolution(call)?,
            "conv2d_backward_input" => self.transposed(call, buf(call, "image"), buf(call, "factor"))?,
            "conv2d_fold" => self.fold(call)?,
            "activation" => self.activation(call)?,
            "batch_norm_apply" => self.batch_norm(call)?,
            "group_norm_apply" => self.group_norm(call)?,
            "pad" => self.pad(call)?,
            "max_pool" | "average_pool" => self.pool(call)?,
            "upsample_nearest" | "upsample_bilinear" => self.upsample(call)?,
            "concat_channels" | "slice_channels" => self.channels(call)?,
            "combine" | "multiply" => self.elementwise(call)?,
            "fill" => self.fill(call)?,
            "time_features" => self.time_features(call)?,
            "blurred_waves" => self.blurred_waves(call)?,
            "shift_channels" => self.shift_channels(call)?,
            "attention" => self.attention(call)?,
            "vq_nearest" | "vq_lookup" => self.codes(call)?,
            "fsq_bound" | "fsq_quantise" | "fsq_lookup" => self.levels(call)?,
            _ => false,
        };
        for out in call.writes() {
            self.written_by.insert(out.id, call.clone());
            if !done {
                self.missing.insert(out.id, call.kernel.name);
            }
        }
        Ok(())
    }

    /// Sets the output of a call to act(y), with the activation of its epilogue.
    pub(super) fn finish(&mut self, call: &Call, y: &str) -> bool {
        let act = epilogue(call);
        let y = self.graph.activation(y, act);
        self.set(call.bufs[call.bufs.len() - 1], y);
        true
    }

    fn matmul(&mut self, call: &Call) -> Result<bool> {
        let [n, k, trans_b] = ["n", "k", "trans_b"].map(|name| word(call, name));
        if word(call, "trans_a") != 0 || word(call, "gate") != 0 || buf(call, "a").id.arena != Arena::Scratch {
            return Ok(false);
        }
        let a = self.value(buf(call, "a"))?;
        let a = self.graph.rows(&a, k);
        let dims = if trans_b != 0 { vec![n, k] } else { vec![k, n] };
        let b = self.weight(buf(call, "b"), dims, |x| x.to_vec())?;
        let mut inputs = vec![a, b];
        if word(call, "use_bias") != 0 {
            inputs.push(self.weight(buf(call, "bias"), vec![n], |x| x.to_vec())?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let y = self.graph.node("Gemm", &inputs, &[("transB", Set::I(trans_b as i64))]);
        Ok(self.finish(call, &y))
    }

    fn activation(&mut self, call: &Call) -> Result<bool> {
        let x = self.value(buf(call, "x"))?;
        let Some(act) = Activation::decode(word(call, "kind") as u32, number(call, "alpha")) else { return Ok(false) };
        let y = self.graph.activation(&x, act);
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    fn channels(&mut self, call: &Call) -> Result<bool> {
        let [channels, start, count] = ["channels", "start", "count"].map(|name| word(call, name));
        let y = match call.kernel.name {
            "concat_channels" => {
                let [a, b] = [self.value(buf(call, "a"))?, self.value(buf(call, "b"))?];
                let [a, b] = [self.graph.rows(&a, start), self.graph.rows(&b, count)];
                self.graph.node("Concat", &[&a, &b], &[("axis", Set::I(1))])
            }
            _ => {
                let x = self.value(buf(call, "x"))?;
                let x = self.graph.rows(&x, channels);
                let ends = [start, start + count, 1].map(|at| self.graph.integers(&[at as i64]));
                let [from, to, axis] = ends;
                self.graph.node("Slice", &[&x, &from, &to, &axis], &[])
            }
        };
        self.set(call.bufs[call.bufs.len() - 1], y);
        Ok(true)
    }

    fn elementwise(&mut self, call: &Call) -> Result<bool> {
        let columns = buf(call, "y").shape.cols();
        let [a, b] = [self.value(buf(call, "a"))?, self.value(buf(call, "b"))?];
        let [a, b] = [self.graph.rows(&a, columns), self.graph.rows(&b, columns)];
        let y = match call.kernel.name {
            "multiply" => self.graph.node("Mul", &[&a, &b], &[]),
            _ => {
                let a = self.graph.affine(&a, number(call, "alpha"), 0.0);
                let b = self.graph.affine(&b, number(call, "beta"), 0.0);
                self.graph.node("Add", &[&a, &b], &[])
            }
        };
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    /// As many equal numbers for each image as the buffer of one image has.
    fn fill(&mut self, call: &Call) -> Result<bool> {
        let y = buf(call, "y");
        let Some(counted) = self.counted.clone() else { return Ok(false) };
        let graph = &mut self.graph;
        let shape = graph.node("Shape", &[&counted], &[("start", Set::I(0)), ("end", Set::I(1))]);
        let numbers = graph.integers(&[y.len() as i64]);
        let shape = graph.node("Concat", &[&shape, &numbers], &[("axis", Set::I(0))]);
        let value = graph.number(number(call, "value"));
        let filled = graph.node("Expand", &[&value, &shape], &[]);
        self.set(y, filled);
        Ok(true)
    }

    /// The nearest code of each row, or the codes of indices.
    fn codes(&mut self, call: &Call) -> Result<bool> {
        let codebook = buf(call, "codebook");
        let [k, dim] = [codebook.shape.rows(), codebook.shape.cols()];
        let values = self.read(codebook)?;
        let weight = self.weight(codebook, vec![k, dim], |x| x.to_vec())?;
        if call.kernel.name == "vq_lookup" {
            let index = self.value(buf(call, "index"))?;
            let index = self.graph.reshape(&index, &[-1]);
            let q = self.graph.node("Gather", &[&weight, &index], &[("axis", Set::I(0))]);
            self.set(buf(call, "q"), q);
            return Ok(true);
        }
        let norm = |code: &[f32]| code.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() as f32;
        let norms: Vec<f32> = values.chunks_exact(dim).map(norm).collect();
        let z = self.value(buf(call, "z"))?;
        let graph = &mut self.graph;
        let (z, norms) = (graph.rows(&z, dim), graph.numbers(None, &[k], &norms));
        let terms = [("transB", Set::I(1)), ("alpha", Set::F(-2.0))];
        let distances = graph.node("Gemm", &[&z, &weight, &norms], &terms);
        let nearest = graph.node("ArgMin", &[&distances], &[("axis", Set::I(1)), ("keepdims", Set::I(0))]);
        self.set(buf(call, "nearest"), nearest);
        Ok(true)
    }

    /// Finite scalar quantisation: numbers within levels, their rounding, and the levels of indices.
    fn levels(&mut self, call: &Call) -> Result<bool> {
        let bytes = [word(call, "low") as u32, word(call, "high") as u32].map(u32::to_le_bytes).concat();
        let levels: Vec<usize> = bytes[..word(call, "channels")].iter().map(|&level| level.into()).collect();
        match call.kernel.name {
            "fsq_bound" => {
                let z = self.value(buf(call, "z"))?;
                let y = self.graph.level_bound(&z, &levels);
                self.set(buf(call, "y"), y);
            }
            "fsq_quantise" => {
                let latents = self.value(buf(call, "latents"))?;
                let (q, index) = self.graph.level_quantise(&latents, &levels);
                self.set(buf(call, "q"), q);
                self.set(buf(call, "index"), index);
            }
            _ => {
                let index = self.value(buf(call, "codes"))?;
                let q = self.graph.level_lookup(&index, &levels);
                self.set(buf(call, "q"), q);
            }
        }
        Ok(true)
    }
}

/// The buffer of a call by its name in the shader.
pub(super) fn buf(call: &Call, name: &str) -> Buf {
    let position = call.kernel.bindings.iter().position(|binding| binding.name == name);
    call.bufs[position.unwrap_or_else(|| panic!("{} binds no {name}", call.kernel.name))]
}

pub(super) fn word(call: &Call, name: &str) -> usize {
    call.param(name).unwrap_or_else(|| panic!("{} has no parameter {name}", call.kernel.name)) as usize
}

pub(super) fn number(call: &Call, name: &str) -> f32 {
    f32::from_bits(word(call, name) as u32)
}

/// The activation that a call applies last.
pub(super) fn epilogue(call: &Call) -> Activation {
    Activation::decode(word(call, "activation") as u32, number(call, "alpha")).expect("a call has a known activation")
}
