//! Every reader of the library on mutated files: none panics, hangs, or allocates more than its bound.
//!
//! Plain `cargo test` runs each reader for 0.8 seconds with the same random numbers every time. `scripts/fuzz MINUTES
//! [READER]` runs longer with new ones. An input that fails is saved, and its path printed; once it is mended, it moves
//! to tests/corpus/READER, whose files are run first.

mod arrays;
mod caches;
mod checkpoints;
mod engine;
mod images;
mod memory;
mod mutate;
mod runs;
mod texts;

use engine::fuzz;

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

macro_rules! readers {
    ($($name:ident: $reader:expr,)*) => {
        $(
            #[test]
            fn $name() {
                fuzz(stringify!($name), $reader);
            }
        )*

        /// A folder of another name would never be run.
        #[test]
        fn the_corpus_has_the_readers_names() {
            let names = [$(stringify!($name)),*];
            for folder in engine::corpus_folders() {
                assert!(names.contains(&folder.as_str()), "tests/corpus/{folder} has the name of no reader");
            }
        }
    };
}

readers! {
    idx: arrays::idx,
    idx_gz: arrays::idx_gz,
    npy: arrays::npy,
    npz: arrays::npz,
    npz_array: arrays::npz_array,
    latents: arrays::latents,
    cifar: arrays::cifar,
    class_names: arrays::class_names,
    png: images::png,
    jpeg: images::jpeg,
    webp: images::webp,
    gif: images::gif,
    bmp: images::bmp,
    tiff: images::tiff,
    pnm: images::pnm,
    tokens: checkpoints::tokens,
    safetensors: checkpoints::safetensors,
    checkpoint_notes: checkpoints::notes,
    config: texts::config,
    setting: texts::setting,
    run_folder: runs::run_folder,
    resume: runs::resumed,
    previews: runs::previews,
    tuned: caches::tuned,
    product_times: caches::product_times,
    classifier: caches::classifier,
}
