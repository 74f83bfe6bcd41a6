//! Calls of image layers as ONNX operators: convolutions, normalisation, padding, pooling, upsampling, attention.

use super::calls::{Calls, buf, epilogue, number, word};
use super::graph::Set;
use crate::io::error::Result;
use gpu_core::{Buf, Call};

impl Calls<'_> {
    /// The inputs of a convolution: an image, the weight, and the bias if there is one.
    fn operands(&mut self, call: &Call, image: (Buf, [usize; 3]), w: (Buf, [usize; 4])) -> Result<Vec<String>> {
        let x = self.value(image.0)?;
        let mut inputs = vec![self.graph.channels_first(&x, image.1), self.filter(w.0, w.1)?];
        if word(call, "use_bias") != 0 {
            let bias = buf(call, "bias");
            inputs.push(self.weight(bias, vec![bias.len()], |x| x.to_vec())?);
        }
        Ok(inputs)
    }

    fn convolve(&mut self, call: &Call, op: &str, inputs: &[String], more: &[(&str, Set<'_>)]) -> bool {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let pads = [pair(call, "pad"), pair(call, "pad")].concat();
        let attributes = [
            ("kernel_shape", Set::Ints(pair(call, "kernel"))),
            ("strides", Set::Ints(pair(call, "stride"))),
            ("dilations", Set::Ints(pair(call, "dilation"))),
            ("pads", Set::Ints(pads)),
        ];
        let y = self.graph.node(op, &inputs, &[&attributes[..], more].concat());
        let y = self.graph.channels_last(&y);
        self.finish(call, &y)
    }

    pub(super) fn convolution(&mut self, call: &Call) -> Result<bool> {
        let [kh, kw, ci, co] = ["kernel_h", "kernel_w", "x_c", "y_c"].map(|name| word(call, name));
        let image = (buf(call, "image"), size(call, "x"));
        let inputs = self.operands(call, image, (buf(call, "factor"), [co, kh, kw, ci]))?;
        Ok(self.convolve(call, "Conv", &inputs, &[]))
    }

    /// The transpose of a convolution, of images `dy` and weights `w`.
    pub(super) fn transposed(&mut self, call: &Call, dy: Buf, w: Buf) -> Result<bool> {
        let [kh, kw, ci, co] = ["kernel_h", "kernel_w", "x_c", "y_c"].map(|name| word(call, name));
        let inputs = self.operands(call, (dy, size(call, "y")), (w, [co, kh, kw, ci]))?;
        let least = |axis: &str| {
            let of = |name: &str| word(call, &format!("{name}_{axis}")) as i64;
            let covered = (of("y") - 1) * of("stride") + of("dilation") * (of("kernel") - 1) + 1 - 2 * of("pad");
            of("x") - covered
        };
        let padding = Set::Ints(vec![least("h"), least("w")]);
        Ok(self.convolve(call, "ConvTranspose", &inputs, &[("output_padding", padding)]))
    }

    /// The second half of a transposed convolution to few channels; the first is the product before it.
    pub(super) fn fold(&mut self, call: &Call) -> Result<bool> {
        let product = self.written_by.get(&buf(call, "image").id).cloned();
        let Some(product) = product.filter(|product| product.kernel.name == "matmul") else { return Ok(false) };
        self.transposed(call, buf(&product, "a"), buf(&product, "b"))
    }

    /// weight · (x − mean) / √(variance + ε) + bias as scale · x + shift.
    pub(super) fn batch_norm(&mut self, call: &Call) -> Result<bool> {
        let running = self.written_by.get(&buf(call, "saved").id).cloned();
        let Some(running) = running.filter(|running| running.kernel.name == "batch_norm_running") else {
            return Ok(false);
        };
        let c = word(call, "c");
        let [mean, variance] = [self.read(buf(&running, "mean"))?, self.read(buf(&running, "variance"))?];
        let [weight, bias] = [self.read(buf(call, "weight"))?, self.read(buf(call, "bias"))?];
        let epsilon = f64::from(number(&running, "epsilon"));
        let scale: Vec<f64> =
            (0..c).map(|i| f64::from(weight[i]) / (f64::from(variance[i]) + epsilon).sqrt()).collect();
        let shift: Vec<f32> = (0..c).map(|i| (f64::from(bias[i]) - scale[i] * f64::from(mean[i])) as f32).collect();
        let scale: Vec<f32> = scale.into_iter().map(|x| x as f32).collect();
        let x = self.value(buf(call, "x"))?;
        let x = self.graph.rows(&x, c);
        let [scale, shift] = [scale, shift].map(|values| self.graph.numbers(None, &[c], &values));
        let y = self.graph.node("Mul", &[&x, &scale], &[]);
        let y = self.graph.node("Add", &[&y, &shift], &[]);
        let y = self.graph.activation(&y, epilogue(call));
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    pub(super) fn group_norm(&mut self, call: &Call) -> Result<bool> {
        let [hw, c, groups] = ["hw", "c", "groups"].map(|name| word(call, name));
        let x = self.value(buf(call, "x"))?;
        let graph = &mut self.graph;
        let x = graph.reshape(&x, &[-1, hw as i64, groups as i64, (c / groups) as i64]);
        let axes = [("axes", Set::Ints(vec![1, 3])), ("keepdims", Set::I(1))];
        let mean = graph.node("ReduceMean", &[&x], &axes);
        let centred = graph.node("Sub", &[&x, &mean], &[]);
        let squares = graph.node("Mul", &[&centred, &centred], &[]);
        let variance = graph.node("ReduceMean", &[&squares], &axes);
        let variance = graph.affine(&variance, 1.0, number(call, "epsilon"));
        let deviation = graph.node("Sqrt", &[&variance], &[]);
        let y = graph.node("Div", &[&centred, &deviation], &[]);
        let mut y = graph.rows(&y, c);
        if word(call, "affine") != 0 {
            for (op, name) in [("Mul", "weight"), ("Add", "bias")] {
                let weight = self.weight(buf(call, name), vec![c], |x| x.to_vec())?;
                y = self.graph.node(op, &[&y, &weight], &[]);
            }
        }
        let y = self.graph.activation(&y, epilogue(call));
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    pub(super) fn pad(&mut self, call: &Call) -> Result<bool> {
        let [h, w, c, top, bottom, left, right] =
            ["h", "w", "c", "top", "bottom", "left", "right"].map(|name| word(call, name));
        let x = self.value(buf(call, "x"))?;
        // PyTorch pads no other axes than the last.
        let x = self.graph.channels_first(&x, [h, w, c]);
        let pads = [0, 0, top, left, 0, 0, bottom, right].map(|pad| pad as i64);
        let pads = self.graph.integers(&pads);
        let mode = if word(call, "reflect") != 0 { "reflect" } else { "constant" };
        let y = self.graph.node("Pad", &[&x, &pads], &[("mode", Set::S(mode))]);
        let y = self.graph.channels_last(&y);
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    pub(super) fn pool(&mut self, call: &Call) -> Result<bool> {
        let x = self.value(buf(call, "x"))?;
        let [h, w, c] = ["h", "w", "c"].map(|name| word(call, name));
        let x = self.graph.channels_first(&x, [h, w, c]);
        let pads = [pair(call, "pad"), pair(call, "pad")].concat();
        let window = [
            ("kernel_shape", Set::Ints(pair(call, "kernel"))),
            ("strides", Set::Ints(pair(call, "stride"))),
            ("pads", Set::Ints(pads)),
        ];
        let y = match call.kernel.name {
            "max_pool" => self.graph.node("MaxPool", &[&x], &window),
            _ => {
                let counts = ("count_include_pad", Set::I(word(call, "count_pad") as i64));
                self.graph.node("AveragePool", &[&x], &[&window[..], &[counts]].concat())
            }
        };
        let y = self.graph.channels_last(&y);
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    pub(super) fn upsample(&mut self, call: &Call) -> Result<bool> {
        let x = self.value(buf(call, "x"))?;
        let [h, w, c] = ["h", "w", "c"].map(|name| word(call, name));
        let x = self.graph.channels_first(&x, [h, w, c]);
        let factors = [1.0, 1.0, word(call, "factor_h") as f32, word(call, "factor_w") as f32];
        let scales = self.graph.numbers(None, &[4], &factors);
        let modes = match call.kernel.name {
            "upsample_nearest" => [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric")],
            _ => [("mode", "linear"), ("coordinate_transformation_mode", "half_pixel")],
        };
        let nearest = [("nearest_mode", Set::S("floor"))];
        let modes: Vec<_> = modes.map(|(name, mode)| (name, Set::S(mode))).into_iter().chain(nearest).collect();
        let y = self.graph.node("Resize", &[&x, "", &scales], &modes);
        let y = self.graph.channels_last(&y);
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    pub(super) fn attention(&mut self, call: &Call) -> Result<bool> {
        let [m, heads, d] = ["m", "heads", "d"].map(|name| word(call, name) as i64);
        let qkv = self.value(buf(call, "qkv"))?;
        let graph = &mut self.graph;
        let qkv = graph.reshape(&qkv, &[-1, m, 3, heads, d]);
        // [3, batch, heads, m, d]
        let qkv = graph.transpose(&qkv, &[2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|part| {
            let number = graph.integers(&[part]);
            let part = graph.node("Gather", &[&qkv, &number], &[("axis", Set::I(0))]);
            graph.reshape(&part, &[-1, heads, m, d])
        });
        let k = graph.transpose(&k, &[0, 1, 3, 2]);
        let scores = graph.node("MatMul", &[&q, &k], &[]);
        let scores = graph.affine(&scores, (1.0 / (d as f64).sqrt()) as f32, 0.0);
        let shares = graph.node("Softmax", &[&scores], &[("axis", Set::I(-1))]);
        let y = graph.node("MatMul", &[&shares, &v], &[]);
        let y = graph.transpose(&y, &[0, 2, 1, 3]);
        let y = graph.reshape(&y, &[-1, m, heads * d]);
        self.set(buf(call, "y"), y);
        Ok(true)
    }
}

/// The two parameters of a name along h and w.
fn pair(call: &Call, name: &str) -> Vec<i64> {
    ["h", "w"].map(|axis| word(call, &format!("{name}_{axis}")) as i64).to_vec()
}

/// Height, width and channels of the image x or y of a convolution.
fn size(call: &Call, image: &str) -> [usize; 3] {
    ["h", "w", "c"].map(|axis| word(call, &format!("{image}_{axis}")))
}
