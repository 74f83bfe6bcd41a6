//! Golden vectors: files of tensors computed by PyTorch.

use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::Path;

/// A tensor: dimensions and numbers.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// The tensors of one file, by name.
pub(crate) struct Golden(pub(crate) BTreeMap<String, Tensor>);

impl Golden {
    pub(crate) fn open(stem: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{stem}.safetensors"));
        let bytes = std::fs::read(path).expect("the golden file exists; its script creates it");
        let file = SafeTensors::deserialize(&bytes).expect("the file is safetensors");
        let tensor = |view: &safetensors::tensor::TensorView<'_>| Tensor {
            dims: view.shape().to_vec(),
            values: match view.dtype() {
                safetensors::Dtype::U8 => view.data().iter().map(|&byte| byte.into()).collect(),
                safetensors::Dtype::F64 => {
                    let words = view.data().chunks_exact(8);
                    words.map(|word| f64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
                }
                other => panic!("unexpected type {other:?} in a golden file"),
            },
        };
        Self(file.iter().map(|(name, view)| (name.to_string(), tensor(&view))).collect())
    }

    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no tensor {name}"))
    }
}

/// The largest difference, relative to the largest expected number.
pub(crate) fn distance(values: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(values.len(), expected.len());
    let errors = values.iter().zip(expected).map(|(value, expected)| (value - expected).abs());
    // NaN counts as an infinite error.
    let worst = errors.fold(0.0, |worst: f64, error| if error.is_nan() { f64::INFINITY } else { worst.max(error) });
    worst / expected.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()))
}
