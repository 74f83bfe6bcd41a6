//! Data sets: images of one size with their classes, built in or from files.
//!
//! [`DataSet::load`] reads a data set as [`DataOptions`](crate::config::data::DataOptions) describe it; [`read()`] also
//! returns its format and the files that were skipped. Of data without a test set, images are held out by a hash of
//! their content; [`ImageList`] keeps the images of a run, and [`read_by`] reads them again. A format is a file with a
//! reader and a row of the table in `formats.rs`.

mod arrangement;
mod bounded;
mod budget;
mod bytes;
mod channels;
mod cifar;
mod classes;
mod dataset;
mod elements;
mod fit;
mod folder;
mod formats;
mod given;
mod held_out;
mod idx;
mod image_list;
mod jpeg;
mod mnist;
mod npy;
mod numpy;
mod pairs;
pub mod picture;
mod pictures;
mod pixels;
mod place;
mod png;
mod points;
mod process;
mod read;
mod scan;
mod sequence;
mod sequences;
mod shapes;
mod sides;
mod sizes;
mod stacked;
mod subset;
mod suited;
mod two_sided;

pub use bytes::Bytes;
pub use dataset::{DataSet, Sides, Split};
pub use fit::shrink;
pub use folder::Skipped;
pub use formats::is_built_in;
pub use given::{Given, read_given};
pub use image_list::{Changes, Entry, ImageList};
pub use npy::{classes_of_npy, is_npy, numbers_of_npy, write_classes, write_npy};
pub use pictures::{OwnPicture, own_picture, picture_files};
pub use pixels::Pixels;
pub use process::entropy_rate;
pub use read::{Found, Rule, read, read_any_size, read_by};
pub use sequence::Sequence;
pub use sizes::{counted, suggested};
pub use stacked::triples;
pub use suited::{Suited, is_data, suited};

/// Options for a path, with the defaults, for tests.
#[cfg(test)]
fn from(path: &std::path::Path) -> crate::config::data::DataOptions {
    crate::config::data::DataOptions { source: path.to_str().unwrap().into(), ..Default::default() }
}
