//! Images and labels on their way to the device.

use crate::data::{DataSet, Split};
use crate::io::error::Result;
use gpu_core::ops::gather;
use gpu_core::{Array, Buf, Executor};

/// Bytes of a data set that are packed and written at once; a multiple of 4.
pub(super) const UPLOAD_BYTES: usize = 1 << 24;

/// Puts images of one side of a split onto the device, these rows or all; with `labels`, a buffer and a number of
/// classes, their labels too.
pub(super) fn put(
    executor: &mut dyn Executor,
    data: &DataSet,
    split: &Split,
    side: usize,
    rows: Option<&[usize]>,
    to: Buf,
    labels: Option<(Buf, usize)>,
) -> Result<()> {
    upload(executor, to, &data.side(split, side, rows))?;
    let Some((to, classes)) = labels else { return Ok(()) };
    upload(executor, to, &one_hot(&data.side_labels(split, side, rows), classes))
}

/// Writes bytes to the start of a buffer, a piece at a time: a whole data set is not copied on the host.
fn upload(executor: &mut dyn Executor, to: Buf, bytes: &[u8]) -> Result<()> {
    for (piece, bytes) in bytes.chunks(UPLOAD_BYTES).enumerate() {
        let words = gather::pack(bytes);
        let offset = to.offset + (piece * UPLOAD_BYTES / 4) as u32;
        executor.write(Buf { offset, shape: [words.len()].into(), ..to }, &Array::U32(words))?;
    }
    Ok(())
}

/// A row of bytes for each label, 255 at its class.
pub(super) fn one_hot(labels: &[u8], classes: usize) -> Vec<u8> {
    let mut rows = vec![0; labels.len() * classes];
    labels.iter().enumerate().for_each(|(i, &label)| rows[i * classes + usize::from(label)] = 255);
    rows
}
