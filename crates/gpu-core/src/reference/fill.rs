//! y = value.

use crate::ops::fill::FillParams;
use crate::{Args, Element};

/// y = value
pub fn fill<E: Element>(args: &mut Args<'_, E>) {
    let p: FillParams = args.params();
    args.write("y").fill(E::of(p.value));
}
