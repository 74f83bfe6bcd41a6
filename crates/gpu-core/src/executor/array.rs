//! Buffer contents on the host.

/// The contents of a buffer on the host. The reference executor returns f64, others f32.
#[derive(Clone, PartialEq, Debug)]
pub enum Array {
    /// Numbers in single precision.
    F32(Vec<f32>),
    /// Numbers in double precision.
    F64(Vec<f64>),
    /// Words.
    U32(Vec<u32>),
}

impl Array {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::U32(values) => values.len(),
        }
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in double precision.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::F64(values) => values.clone(),
            Self::U32(values) => values.iter().map(|&v| f64::from(v)).collect(),
        }
    }

    /// The elements in single precision.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::F64(values) => values.iter().map(|&v| v as f32).collect(),
            Self::U32(values) => values.iter().map(|&v| v as f32).collect(),
        }
    }

    /// The elements, if they are words.
    pub fn as_u32(&self) -> Option<&[u32]> {
        match self {
            Self::U32(values) => Some(values),
            _ => None,
        }
    }
}
