//! y = value.

use crate::Args;
use crate::ops::fill::FillParams;

/// y = value
pub fn fill(args: &mut Args<'_>) {
    let p: FillParams = args.params();
    args.write("y").fill(p.value.into());
}
