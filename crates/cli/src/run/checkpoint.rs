//! Checkpoints: named tensors and notes in one safetensors file.

mod notes;
mod parse;

use crate::io::error::{Context, ErrorKind as Kind, Result, bail, ensure};
use crate::io::files;
use crate::run::version;
use flate2::Crc;
use gpu_core::Array;
use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The one key of the file's metadata. The library writes metadata in a hash map's order, which changes from run
/// to run; with one key there is nothing to order, and equal checkpoints are equal files.
const KEY: &str = "frit";

/// The contents of a checkpoint file.
///
/// ```
/// use frit::run::checkpoint::Checkpoint;
/// use gpu_core::Array;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("weights.safetensors");
/// let mut checkpoint = Checkpoint::default();
/// checkpoint.insert("layer.bias", &[2], Array::F32(vec![0.5, -1.0]));
/// checkpoint.save(&path)?;
///
/// let mut file = Checkpoint::load(&path)?;
/// assert_eq!(file.take("layer.bias", &[2])?, Array::F32(vec![0.5, -1.0]));
/// # Ok::<(), frit::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// Shapes and row-major elements, by name.
    pub tensors: BTreeMap<String, (Vec<usize>, Array)>,
    /// Notes by name; empty if another program wrote the file.
    pub metadata: BTreeMap<String, String>,
    /// Tensors of types that frit does not read, such as counters of another program, and their type.
    pub foreign: BTreeMap<String, String>,
    /// Name of the file in errors.
    pub name: String,
}

/// The value of [`KEY`], as JSON.
#[derive(Serialize, Deserialize)]
struct Note {
    crc32: u32,
    metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Adds a tensor.
    ///
    /// # Panics
    /// When the name is taken, or the shape holds another number of elements.
    pub fn insert(&mut self, name: &str, shape: &[usize], array: Array) {
        assert_eq!(shape.iter().product::<usize>(), array.len(), "{name} is not of the shape {shape:?}");
        let before = self.tensors.insert(name.into(), (shape.to_vec(), array));
        assert!(before.is_none(), "two tensors are called {name}");
    }

    /// Checks that the file has a tensor of that name and shape, in a type that frit reads.
    ///
    /// # Errors
    /// The tensor is missing, or has another shape or a type that frit does not read.
    pub fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        let file = &self.name;
        if let Some(dtype) = self.foreign.get(name) {
            bail!(Checkpoint, "{name} in {file} has type {dtype}; save it as float32");
        }
        let Some((found, _)) = self.tensors.get(name) else {
            bail!(Checkpoint, "{file} has no tensor {name}; use a file of the same model");
        };
        ensure!(
            found == shape,
            Checkpoint,
            "{name} has shape {} in the model, but {} in {file}; use the settings of the run that wrote the file",
            times(shape),
            times(found)
        );
        Ok(())
    }

    /// Removes a tensor and returns its elements.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Array> {
        self.check(name, shape)?;
        Ok(self.tensors.remove(name).expect("it was checked").1)
    }

    /// Replaces old prefixes of tensors' names by new ones, unless a tensor has the new name already.
    pub fn rename(&mut self, prefixes: &[(&str, &str)]) {
        for (old, new) in prefixes {
            let named: Vec<String> = self.tensors.keys().filter(|name| name.starts_with(old)).cloned().collect();
            for name in named {
                let renamed = format!("{new}{}", &name[old.len()..]);
                if !self.tensors.contains_key(&renamed)
                    && let Some(tensor) = self.tensors.remove(&name)
                {
                    self.tensors.insert(renamed, tensor);
                }
            }
        }
    }

    /// Adds a tensor's running average where only the tensor is in the file: version 0.1.0 kept those of weights alone.
    pub fn add_average(&mut self, prefix: &str, name: &str) {
        let average = format!("{prefix}{name}");
        if !self.tensors.contains_key(&average)
            && let Some(tensor) = self.tensors.get(name).cloned()
        {
            self.tensors.insert(average, tensor);
        }
    }

    /// True if every number is finite; training cannot resume from others.
    pub fn is_finite(&self) -> bool {
        self.tensors.values().all(|(_, array)| match array {
            Array::F32(values) => values.iter().all(|value| value.is_finite()),
            Array::F64(values) => values.iter().all(|value| value.is_finite()),
            Array::U32(_) => true,
        })
    }

    /// Saves the file, whole or not at all. Equal tensors and metadata make equal bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::write(path, &self.to_bytes(&path.display().to_string())?)
    }

    /// The contents of the file, which an error calls `name`.
    ///
    /// # Errors
    /// The tensors do not fit a safetensors file.
    pub(crate) fn to_bytes(&self, name: &str) -> Result<Vec<u8>> {
        let note = Note { crc32: self.crc32(), metadata: self.metadata.clone() };
        let note = HashMap::from([(KEY.to_string(), serde_json::to_string(&note).expect("notes are JSON"))]);
        let tensors = self.tensors.iter().map(|(name, (shape, array))| (name, Tensor { shape, array }));
        safetensors::serialize(tensors, Some(note)).with_context(Kind::Checkpoint, || {
            format!("cannot write {name}: its tensors do not fit a safetensors file")
        })
    }

    /// Reads a file that frit or another program wrote.
    ///
    /// # Errors
    /// The file cannot be read, is another kind of file, or is damaged; or a newer frit wrote it.
    pub fn load(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let checkpoint = Self::parse(&files::read(path, files::BINARY)?, name)?;
        if let Some(written) = checkpoint.metadata.get("frit") {
            version::check(&checkpoint.name, written)?;
        }
        Ok(checkpoint)
    }

    /// A checksum of notes, names, types, shapes and elements.
    fn crc32(&self) -> u32 {
        let mut crc = Crc::new();
        crc.update(serde_json::json!(self.metadata).to_string().as_bytes());
        for (name, (shape, array)) in &self.tensors {
            crc.update(format!("{name} {:?} {shape:?}", dtype(array)).as_bytes());
            crc.update(bytes(array));
        }
        crc.sum()
    }
}

/// A tensor as the library reads it.
struct Tensor<'a> {
    shape: &'a [usize],
    array: &'a Array,
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        dtype(self.array)
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        bytes(self.array).into()
    }

    fn data_len(&self) -> usize {
        self.array.len() * dtype(self.array).bitsize() / 8
    }
}

fn dtype(array: &Array) -> Dtype {
    match array {
        Array::F32(_) => Dtype::F32,
        Array::F64(_) => Dtype::F64,
        Array::U32(_) => Dtype::U32,
    }
}

/// The elements as they are in the file and in memory: with the lowest byte first.
fn bytes(array: &Array) -> &[u8] {
    const { assert!(cfg!(target_endian = "little"), "checkpoints are read and written as they are in memory") };
    match array {
        Array::F32(values) => bytemuck::cast_slice(values),
        Array::F64(values) => bytemuck::cast_slice(values),
        Array::U32(values) => bytemuck::cast_slice(values),
    }
}

/// `[400, 784]` as `400×784`; a single number as `a scalar`.
fn times(shape: &[usize]) -> String {
    match shape {
        [] => "a scalar".into(),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn checkpoint() -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.insert("encoder.0.weight", &[2, 3], Array::F32(vec![1.5, -0.0, f32::MIN_POSITIVE, 3.0, 4.0, 5.0]));
        checkpoint.insert("clock", &[4], Array::U32(vec![0, 1, u32::MAX, 7]));
        checkpoint.insert("optim.m/encoder.0.weight", &[1, 1, 2], Array::F64(vec![0.1, 1e-300]));
        for (key, value) in [("step", "17"), ("recipe", "vae \"quoted\"\nü"), ("data", "10000x28x28x1-00000000")] {
            checkpoint.metadata.insert(key.into(), value.into());
        }
        checkpoint
    }

    fn saved() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latest.safetensors");
        checkpoint().save(&path).unwrap();
        fs::read(path).unwrap()
    }

    fn sentence(bytes: &[u8]) -> String {
        Checkpoint::parse(bytes, "run/latest.safetensors".into()).unwrap_err().to_string()
    }

    #[test]
    fn comes_back_as_it_was() {
        let back = Checkpoint::parse(&saved(), "file".into()).unwrap();
        assert_eq!((back.tensors, back.metadata), (checkpoint().tensors, checkpoint().metadata));
        assert!(back.foreign.is_empty());
    }

    #[test]
    fn not_even_a_nan_changes() {
        let odd = vec![f32::from_bits(0x7fa0_0001), -0.0, f32::NEG_INFINITY];
        let mut checkpoint = Checkpoint::default();
        checkpoint.insert("odd", &[3], Array::F32(odd.clone()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        checkpoint.save(&path).unwrap();
        let back = Checkpoint::load(&path).unwrap().take("odd", &[3]).unwrap().to_f32();
        assert_eq!(
            back.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            odd.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn equal_content_makes_equal_bytes() {
        let first = saved();
        assert!((0..20).all(|_| saved() == first));
    }

    #[test]
    fn every_cut_and_addition_is_noticed() {
        let whole = saved();
        for cut in 0..whole.len() {
            let message = sentence(&whole[..cut]);
            assert!(message.starts_with("run/latest.safetensors is damaged ("), "cut at {cut}: {message}");
        }
        assert!(sentence(&[&whole[..], b"x"].concat()).contains("is damaged"));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = saved();
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A flip in the name of the note makes a file without notes, as another program writes; a flip of the
            // padding into other white space changes nothing.
            match Checkpoint::parse(&damaged, "file".into()) {
                Err(error) => assert!(error.to_string().starts_with("file is damaged ("), "bit {bit}: {error}"),
                Ok(back) if back.metadata.is_empty() => {}
                Ok(back) => {
                    assert_eq!(
                        (back.tensors, back.metadata),
                        (checkpoint().tensors, checkpoint().metadata),
                        "bit {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn old_prefixes_become_new_ones_and_replace_nothing() {
        let mut file = Checkpoint::default();
        for (name, value) in [("adam.m/a", 1.0), ("adam.m/b", 2.0), ("optim.m/b", 3.0), ("a", 4.0)] {
            file.insert(name, &[1], Array::F32(vec![value]));
        }
        file.rename(&[("adam.m/", "optim.m/")]);
        let mut value = |name: &str| file.take(name, &[1]).unwrap().to_f32()[0];
        assert_eq!(["optim.m/a", "optim.m/b", "adam.m/b", "a"].map(&mut value), [1.0, 3.0, 2.0, 4.0]);
        assert!(file.tensors.is_empty());
    }

    #[test]
    fn take_says_what_does_not_fit() {
        let mut back = Checkpoint::parse(&saved(), "init.safetensors".into()).unwrap();
        let message = back.take("encoder.0.weight", &[400, 784]).unwrap_err().to_string();
        assert!(
            message.starts_with("encoder.0.weight has shape 400×784 in the model, but 2×3 in init.safetensors;"),
            "{message}"
        );
        let message = back.take("decoder.0.bias", &[3]).unwrap_err().to_string();
        assert!(message.starts_with("init.safetensors has no tensor decoder.0.bias;"), "{message}");
        assert_eq!(back.take("clock", &[4]).unwrap().as_u32(), Some(&[0, 1, u32::MAX, 7][..]));
    }

    #[test]
    fn a_missing_file_has_a_sentence() {
        let message = Checkpoint::load(Path::new("no-such.safetensors")).unwrap_err().to_string();
        assert_eq!(message, "cannot read no-such.safetensors: no such file");
    }
}
