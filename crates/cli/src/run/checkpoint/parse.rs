//! Reading of safetensors files, of frit or of another program.

use super::{Checkpoint, KEY, Note};
use crate::io::error::{Result, bail, error};
use gpu_core::Array;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};

/// Longest header. The largest models have some thousand tensors, a hundred bytes each.
const MAX_HEADER: u64 = 1 << 24;

/// Prefixes that PyTorch puts before the names of parameters: `DataParallel` the first, `torch.compile` the second, in
/// any order.
const WRAPPERS: [(&str, &str); 3] = [("module.", ""), ("_orig_mod.", ""), ("module.", "")];

impl Checkpoint {
    /// Reads the contents of a file, which errors call `name`. Half precision becomes single precision.
    pub(crate) fn parse(bytes: &[u8], name: String) -> Result<Self> {
        if bytes.starts_with(b"PK\x03\x04") {
            bail!(Checkpoint, "{name} is a PyTorch pickle; save it with safetensors.torch.save_file");
        }
        let damaged = |why: &str| error!(Checkpoint, "{name} is damaged ({why})");
        if bytes.first_chunk().is_some_and(|&length| u64::from_le_bytes(length) > MAX_HEADER) {
            return Err(damaged(&format!("its header is longer than {MAX_HEADER} bytes")));
        }
        let (header, contents) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error.to_string()))?;
        let note = contents.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let note: Option<Note> =
            note.map(|json| serde_json::from_str(json)).transpose().map_err(|_| damaged("its notes are not JSON"))?;

        let mut checkpoint = Self { name: name.clone(), ..Self::default() };
        let data = &bytes[size_of::<u64>() + header..];
        for (tensor, info) in contents.tensors() {
            // The library adds the offsets up without a check: they may be beyond the end.
            let (start, end) = info.data_offsets;
            let data = data.get(start..end).ok_or_else(|| damaged(&format!("{tensor} is beyond its end")))?;
            match array(info, data) {
                Some(array) => drop(checkpoint.tensors.insert(tensor, (info.shape.clone(), array))),
                None => drop(checkpoint.foreign.insert(tensor, format!("{:?}", info.dtype))),
            }
        }
        if let Some(note) = note {
            checkpoint.metadata = note.metadata;
            if checkpoint.crc32() != note.crc32 {
                return Err(damaged("its checksum is wrong"));
            }
        } else {
            checkpoint.rename(&WRAPPERS);
        }
        Ok(checkpoint)
    }
}

/// The elements of one tensor, unless they are of a type that frit does not compute in.
fn array(info: &TensorInfo, data: &[u8]) -> Option<Array> {
    let word = |word: &[u8]| [word[0], word[1]];
    let halves = |to_f32: fn([u8; 2]) -> f32| Some(Array::F32(data.chunks_exact(2).map(word).map(to_f32).collect()));
    match info.dtype {
        Dtype::F16 => halves(|word| f16::from_le_bytes(word).to_f32()),
        Dtype::BF16 => halves(|word| bf16::from_le_bytes(word).to_f32()),
        Dtype::F32 => Some(Array::F32(bytemuck::pod_collect_to_vec(data))),
        Dtype::F64 => Some(Array::F64(bytemuck::pod_collect_to_vec(data))),
        Dtype::U32 => Some(Array::U32(bytemuck::pod_collect_to_vec(data))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn file(header: Value, data: &[u8]) -> Vec<u8> {
        let header = header.to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn parse(header: Value, data: &[u8]) -> Result<Checkpoint> {
        Checkpoint::parse(&file(header, data), "torch.safetensors".into())
    }

    #[test]
    fn reads_what_other_programs_write() {
        let header = json!({
            "steps": { "dtype": "I64", "shape": [], "data_offsets": [0, 8] },
            "w": { "dtype": "F32", "shape": [1], "data_offsets": [8, 12] },
        });
        let data = [&3u64.to_le_bytes()[..], &2.5f32.to_le_bytes()].concat();
        let mut back = parse(header, &data).unwrap();
        assert!(back.metadata.is_empty());
        assert_eq!(back.take("w", &[1]).unwrap(), Array::F32(vec![2.5]));
        let message = back.take("steps", &[]).unwrap_err().to_string();
        assert_eq!(message, "steps in torch.safetensors has type I64; save it as float32");
        let pickle = Checkpoint::parse(b"PK\x03\x04rest", "file".into()).unwrap_err().to_string();
        assert!(pickle.contains("is a PyTorch pickle"));
    }

    #[test]
    fn half_precision_is_read_and_prefixes_of_wrappers_are_left_out() {
        let header = json!({
            "module._orig_mod.a.weight": { "dtype": "F16", "shape": [2], "data_offsets": [0, 4] },
            "_orig_mod.module.b": { "dtype": "BF16", "shape": [1, 1], "data_offsets": [4, 6] },
        });
        let numbers = [f16::from_f32(0.5).to_le_bytes(), f16::from_f32(-2.0).to_le_bytes()];
        let mut back = parse(header, &[numbers[0], numbers[1], bf16::from_f32(3.0).to_le_bytes()].concat()).unwrap();
        assert_eq!(back.take("a.weight", &[2]).unwrap(), Array::F32(vec![0.5, -2.0]));
        assert_eq!(back.take("b", &[1, 1]).unwrap(), Array::F32(vec![3.0]));
    }

    #[test]
    fn lengths_that_lie_are_refused_before_memory_is_allocated() {
        let message = |file: &[u8]| Checkpoint::parse(file, "file".into()).unwrap_err().to_string();
        let long = [&(MAX_HEADER + 1).to_le_bytes()[..], b"{}"].concat();
        assert!(message(&long).contains("its header is longer than"));
        let of = |shape: Value, end: u64| json!({ "w": { "dtype": "U8", "shape": shape, "data_offsets": [0, end] } });
        assert!(message(&file(of(json!([1u64 << 62, 8]), 8), &[0; 8])).contains("is damaged"));
        // Eight tensors whose end and the length of the header add up to more than 2⁶⁴.
        let size = (1u64 << 61) - 1;
        let tensor = |i: u64| json!({ "dtype": "U8", "shape": [size], "data_offsets": [i * size, (i + 1) * size] });
        let header: serde_json::Map<String, Value> = (0..8).map(|i| (i.to_string(), tensor(i))).collect();
        assert!(message(&file(header.into(), &[])).contains("is damaged"));
    }
}
