//! stub

use crate::Kernel;

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[];
