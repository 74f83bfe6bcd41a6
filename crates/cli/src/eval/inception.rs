//! Features of Inception v3, whose weights the user gives as a file.

use crate::eval::network::ImagePass;
use crate::io::error::{Result, ensure};
use crate::run::checkpoint::Checkpoint;
use gpu_core::{Array, Backend, Executor, Layout, Sharing};
use models::inception::{FEATURES, FrozenConv, Inception, Normalisation, fold};
use models::metrics::Features;
use std::path::Path;

/// Images in a batch: the largest buffer then has 22 MB.
const BATCH: usize = 4;
/// Tensors of a convolution's batch normalisation.
const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// Inception v3 on a device, for images of one size.
pub struct InceptionNetwork {
    executor: Box<dyn Executor>,
    network: Inception,
    pass: ImagePass,
    channels: usize,
    name: String,
}

impl InceptionNetwork {
    /// The network for images of `size`, height, width and channels, with the weights of a safetensors file under
    /// torch-fidelity's names. Grey images are repeated to three channels.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`](crate::ErrorKind) if the file cannot be read, or a tensor is missing, has another
    /// shape or is not finite; [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn open(path: &Path, size: [usize; 3], backend: &Backend) -> Result<Self> {
        let mut file = Checkpoint::load(path)?;
        let [height, width, channels] = size;
        let network = Inception::new(BATCH, [height, width]);
        let folded = network.convs.iter().map(|conv| folded(&mut file, conv)).collect::<Result<Vec<_>>>()?;
        let mut executor = backend.executor(network.memory.clone(), Sharing::On);
        let program = executor.prepare(&network.pass.schedule)?;
        let mut crc = flate2::Crc::new();
        for (conv, (weight, bias)) in network.convs.iter().zip(folded) {
            for (buf, values) in [(conv.weight, weight), (conv.bias, bias)] {
                crc.update(bytemuck::cast_slice(&values));
                executor.write(buf, &Array::F32(values))?;
            }
        }
        let pass = ImagePass { given: network.given, program, batch: BATCH };
        Ok(Self { executor, network, pass, channels, name: format!("Inception v3 {:08x}", crc.sum()) })
    }

    /// The features of each image, given by values in [0, 1], which are rounded to bytes as in a file.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        let scaled = images.iter().map(|value| ((255.0 * value.clamp(0.0, 1.0)).round() - 128.0) / 128.0);
        let given: Vec<f32> = match self.channels {
            1 => scaled.flat_map(|grey| [grey; 3]).collect(),
            _ => scaled.collect(),
        };
        let rows = self.pass.rows(self.executor.as_mut(), &given, self.network.pass.outputs[0])?;
        Ok(Features::from_f32(&rows, FEATURES))
    }

    /// The name of the space, with a checksum of the weights.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The filters and the bias of a convolution, joined with its batch normalisation.
fn folded(file: &mut Checkpoint, conv: &FrozenConv) -> Result<(Vec<f32>, Vec<f32>)> {
    let dims = conv.weight.shape.dims().iter().map(|&dim| dim as usize).collect::<Vec<_>>();
    let layout = Layout::filter([dims[0], dims[1], dims[2], dims[3]]);
    let mut filters = take(file, &format!("{}.conv.weight", conv.name), &layout.file_shape(conv.weight.shape))?;
    let [weight, bias, running_mean, running_var] =
        NORM.map(|part| take(file, &format!("{}.bn.{part}", conv.name), &[dims[0]]));
    let (weight, bias, running_mean, running_var) = (weight?, bias?, running_mean?, running_var?);
    ensure!(
        running_var.iter().all(|&variance| variance >= 0.0),
        Checkpoint,
        "{}.bn.running_var in {} has negative values",
        conv.name,
        file.name
    );
    let norm = Normalisation { weight: &weight, bias: &bias, running_mean: &running_mean, running_var: &running_var };
    let bias = fold(&mut filters, norm);
    Ok((layout.from_file(&filters), bias))
}

/// The numbers of a tensor.
fn take(file: &mut Checkpoint, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let source = &file.name;
    let found = file.tensors.get(name).map(|(shape, _)| shape.as_slice());
    ensure!(
        found.is_some() || file.foreign.contains_key(name),
        Checkpoint,
        "{source} has no tensor {name}; use the weights of Inception v3 under torch-fidelity's names"
    );
    ensure!(
        found.is_none_or(|found| found == shape),
        Checkpoint,
        "{name} in {source} has the shape {:?}, but Inception v3 needs {shape:?}",
        found.unwrap_or_default()
    );
    let values = file.take(name, shape)?.to_f32();
    ensure!(
        values.iter().all(|value| value.is_finite()),
        Checkpoint,
        "{name} in {} contains NaN or infinite values",
        file.name
    );
    Ok(values)
}
