//! IDX, NumPy and CIFAR files.

use crate::engine::{Reader, folder};
use flate2::{Compression, write::GzEncoder};
use frit::config::data::DataOptions;
use frit::data::{DataSet, classes_of_npy, numbers_of_npy, write_classes, write_npy};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Reads a data set. True if it is valid.
pub(crate) fn load(source: &Path) -> bool {
    load_as(source, 0)
}

/// Reads a data set in images of a size. True if it is valid.
pub(crate) fn load_as(source: &Path, size: usize) -> bool {
    let source = source.to_str().unwrap().into();
    DataSet::load(&DataOptions { source, size, test: 0.5, ..DataOptions::default() }).is_ok()
}

fn idx_file(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    file.extend(bytes);
    file
}

fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

/// The images or the labels of the training set, beside files that are right.
pub(crate) fn idx() -> Reader {
    let folder = folder();
    let put = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    put("t10k-images-idx3-ubyte", idx_file(&[2, 3, 3], &[5; 18]));
    put("t10k-labels-idx1-ubyte", idx_file(&[2], &[0, 1]));
    let [images, labels] = [idx_file(&[4, 3, 3], &[9; 36]), idx_file(&[4], &[0, 1, 1, 0])];
    Reader::new(vec![images.clone(), labels.clone()], move |bytes| {
        let files = if bytes.get(3) == Some(&1) { [&images, bytes] } else { [bytes, &labels] };
        fs::write(folder.path().join("train-images-idx3-ubyte"), files[0]).unwrap();
        fs::write(folder.path().join("train-labels-idx1-ubyte"), files[1]).unwrap();
        load(folder.path())
    })
}

/// The same in gzip.
pub(crate) fn idx_gz() -> Reader {
    let plain = idx();
    let images = plain.seeds[0].clone();
    Reader { seeds: vec![images.clone(), gzip(images)], wrap: gzip, ..plain }
}

pub(crate) fn array(descr: &str, fortran: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

fn arrays() -> Vec<Vec<u8>> {
    vec![
        array("|u1", "False", "4, 2, 5", &[200; 40]),
        array("<f4", "True", "4, 2, 2, 3", &[0; 192]),
        array("<f2", "False", "4, 3, 2, 2", &[0; 96]),
        array("|b1", "False", "4, 3, 5", &[1; 60]),
        array(">u2", "True", "4, 3, 5", &[7; 120]),
    ]
}

pub(crate) fn npy() -> Reader {
    let folder = folder();
    let path = folder.path().join("array.npy");
    Reader::new(arrays(), move |bytes| {
        let _folder = &folder;
        fs::write(&path, bytes).unwrap();
        load(&path)
    })
}

fn zip(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        writer.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        writer.write_all(array).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn labels() -> Vec<u8> {
    array("|u1", "False", "4,", &[0, 1, 0, 1])
}

/// An archive of images and labels, one of which is given.
pub(crate) fn archive(given: Vec<u8>) -> Vec<u8> {
    let is_images = !given.windows(4).any(|four| four == b"(4,)");
    let [images, labels] = if is_images { [given, labels()] } else { [arrays().swap_remove(0), given] };
    zip(&[("x_train", images), ("y_train", labels)])
}

/// Labels of other types and numbers, and images out of range.
fn odd_arrays() -> Vec<Vec<u8>> {
    vec![
        array("<i8", "False", "4,", &[0; 32]),
        array("<i2", "False", "4,", &[0, 0, 44, 1, 0, 0, 1, 0]),
        array("<f4", "False", "4,", &[0; 16]),
        array("|b1", "False", "4,", &[1; 4]),
        array("<f4", "False", "4, 1, 2", &300f32.to_le_bytes().repeat(8)),
        array("<i2", "False", "4, 1, 2", &[44, 1].repeat(8)),
    ]
}

/// Archives as bytes.
pub(crate) fn npz() -> Reader {
    let images = || arrays().swap_remove(0);
    let whole = [images(), array("<i8", "False", "4,", &[0; 32]), write_classes(&[0, 1, 1, 0])];
    let split = |labels: Vec<u8>| vec![("x_train", images()), ("y_train", labels), ("x_test", images())];
    let tested = [split(labels()), vec![("y_test", labels())]].concat();
    let column = zip(&[("images", images()), ("labels", array("|u1", "False", "4, 1", &[0, 1, 0, 1]))]);
    let seeds = whole.into_iter().map(archive).chain([zip(&tested), zip(&[("any", images())]), column]).collect();
    let transparent = array("|u1", "False", "4, 2, 2, 4", &[9; 64]);
    let long = array("|u1", "False", "5,", &[0; 5]);
    let others = [split(labels()), vec![("x", transparent)], split(long), vec![("a", labels()), ("b", labels())]];
    Reader { seeds, others: others.iter().map(|arrays| zip(arrays)).collect(), ..npy() }
}

/// Arrays, packed into archives.
pub(crate) fn npz_array() -> Reader {
    Reader { others: odd_arrays(), wrap: archive, ..npy() }
}

pub(crate) fn latents() -> Reader {
    let seeds = vec![write_npy(&[2, 3], &[0.5; 6]), array(">f8", "True", "2, 3", &[0; 48]), write_classes(&[1, 0, 2])];
    Reader::new(seeds, |bytes| numbers_of_npy(bytes, "latents").is_ok() | classes_of_npy(bytes, "classes", 3).is_ok())
}

/// A file of CIFAR-10 or, of other lengths, CIFAR-100, with names of classes at its end.
pub(crate) fn cifar() -> Reader {
    let folder = folder();
    let record = |labels: usize| [vec![1; labels], vec![77; 3072]].concat();
    let [ten, hundred] = ["ten", "hundred"].map(|name| folder.path().join(name));
    for folder in [&ten, &hundred] {
        fs::create_dir(folder).unwrap();
    }
    for number in 2..=5 {
        fs::write(ten.join(format!("data_batch_{number}.bin")), record(1)).unwrap();
    }
    fs::write(ten.join("test_batch.bin"), record(1)).unwrap();
    fs::write(hundred.join("test.bin"), record(2)).unwrap();
    let seeds = [1, 2].map(|labels| record(labels).repeat(2));
    Reader::new(seeds.into(), move |bytes| {
        let _folder = &folder;
        fs::write(ten.join("data_batch_1.bin"), bytes).unwrap();
        fs::write(hundred.join("train.bin"), bytes).unwrap();
        let names = ten.join("batches.meta.txt");
        match bytes.get(2 * 3074..).filter(|names| !names.is_empty()) {
            Some(text) => fs::write(names, text).unwrap(),
            None => drop(fs::remove_file(names)),
        }
        load(&ten) | load(&hundred)
    })
}

/// The names of classes beside the files of EMNIST and of CIFAR-100.
pub(crate) fn class_names() -> Reader {
    let folder = folder();
    let [emnist, hundred] = ["emnist", "hundred"].map(|name| folder.path().join(name));
    for folder in [&emnist, &hundred] {
        fs::create_dir(folder).unwrap();
    }
    for part in ["train", "test"] {
        let put =
            |kind: &str, bytes: Vec<u8>| fs::write(emnist.join(format!("emnist-x-{part}-{kind}")), bytes).unwrap();
        put("images-idx3-ubyte", idx_file(&[2, 2, 3], &[5; 12]));
        put("labels-idx1-ubyte", idx_file(&[2], &[0, 1]));
        fs::write(hundred.join(format!("{part}.bin")), [7; 3074]).unwrap();
    }
    let names = (0..100).map(|class| format!("class {class}\n")).collect::<String>();
    let seeds = ["0 48\n1 49\n\n", "1 65 97\n", &names].map(|text| text.as_bytes().to_vec());
    Reader::new(seeds.into(), move |bytes| {
        let _folder = &folder;
        fs::write(emnist.join("emnist-x-mapping.txt"), bytes).unwrap();
        fs::write(hundred.join("fine_label_names.txt"), bytes).unwrap();
        load(&emnist) | load(&hundred)
    })
}
