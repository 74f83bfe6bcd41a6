//! Running schedules: the choice of an executor, the submit loop, the exchange between ranks, and the
//! roofline.

pub(crate) mod backend;
pub(crate) mod exchange;
pub(crate) mod roofline;
pub(crate) mod submit_loop;
