//! Running schedules: the choice of an executor, the submit loop, and the roofline.

pub(crate) mod backend;
pub(crate) mod roofline;
pub(crate) mod submit_loop;
