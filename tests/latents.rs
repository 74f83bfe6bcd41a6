//! What lies in a latent space, drawn; images as codes in files, and back.

mod place;

use place::{Place, TEST};
use std::fs;

const TRAIN: &str = "--data data --latent-dim 3 --batch-size 32 --epochs 3 --device cpu -q";

fn trained() -> Place {
    let place = Place::new();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    place.done(&format!("train ae --hidden 16 {TRAIN} --out ae"));
    place.done(&format!("train gan --hidden 16 {TRAIN} --out gan"));
    let sizes = "--set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1";
    place.done(&format!("train vqvae {sizes} {TRAIN} --out vqvae"));
    place
}

impl Place {
    fn picture(&self, line: &str) -> image::RgbImage {
        self.done(&format!("{line} --device cpu --out p.png"));
        image::open(self.path("p.png")).unwrap().into_rgb8()
    }
}

/// A picture is twice as large as it is, with gaps of two.
fn side(pictures: u32) -> u32 {
    pictures * (2 * 6 + 2) - 2
}

#[test]
fn ways_and_traversals_have_their_rows_and_columns() {
    let place = trained();
    let way = place.picture("interpolate vae --rows 3 --steps 5");
    assert_eq!(way.dimensions(), (side(5), side(3)));
    assert!(way == place.picture("interpolate vae --rows 3 --steps 5 --seed 0"), "a seed fixes it");
    assert!(way != place.picture("interpolate vae --rows 3 --steps 5 --seed 1"));
    assert!(way != place.picture("interpolate vae --rows 3 --steps 5 --spherical"));
    for run in ["ae", "gan"] {
        assert_eq!(place.picture(&format!("interpolate {run} --rows 2 --steps 4")).dimensions(), (side(4), side(2)));
    }
    let moved = place.picture("traverse vae --image 2 --units 9 --steps 7");
    assert_eq!(moved.dimensions(), (side(7), side(3)), "there are three numbers to move");
    // Between images, the ends are their reconstructions.
    let ends = place.picture("interpolate vae --images --rows 1 --steps 2");
    let pairs = place.picture("reconstruct vae -n 2");
    assert!(image::imageops::crop_imm(&pairs, 0, side(1) + 2, side(2), side(1)).to_image() == ends);
    for (line, words) in [
        ("interpolate vqvae", &["nothing between the codes"][..]),
        ("interpolate gan --images --rows 1", &["gan encodes nothing"]),
        ("interpolate vae --steps 1", &["--steps 1 is not between 2"]),
        ("interpolate vae --images --rows 30", &["60 test images", "40"]),
        ("traverse vae --image 40", &["--image 40", "40 test images"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
}

#[test]
fn codes_go_to_files_and_come_back_as_the_same_pictures() {
    let place = trained();
    for (run, file) in [("vae", "codes.npy"), ("ae", "codes.npy"), ("vqvae", "codes.frit")] {
        assert_eq!(place.done(&format!("encode {run} -n 16 --device cpu")), format!("{run}/{file}\n"));
        let decoded = place.picture(&format!("decode {run} --codes {run}/{file}"));
        let pairs = place.picture(&format!("reconstruct {run} -n 4"));
        let first =
            |picture: &image::RgbImage, y| image::imageops::crop_imm(picture, 0, y, side(4), side(1)).to_image();
        assert!(first(&decoded, 0) == first(&pairs, side(1) + 2), "{run}");
    }
    // Nine codes of twelve in four bits each, behind 24 bytes and before 4.
    place.done("encode vqvae --device cpu --out all.frit");
    assert_eq!(fs::metadata(place.path("all.frit")).unwrap().len(), 24 + (TEST as u64 * 9 * 4).div_ceil(8) + 4);
    let mut damaged = fs::read(place.path("all.frit")).unwrap();
    damaged[30] ^= 1;
    fs::write(place.path("damaged.frit"), damaged).unwrap();
    place.done(&format!(
        "train vqvae --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1 {TRAIN} \
         --seed 5 --out other"
    ));
    for (line, words) in [
        ("decode vqvae --codes damaged.frit", &["damaged.frit is damaged"][..]),
        ("decode other --codes all.frit", &["another codebook"]),
        ("decode vqvae --codes vae/codes.npy", &["vae/codes.npy holds latents", "is of vqvae", "its codebook"]),
        ("decode vqvae --codes data/t10k-labels-idx1-ubyte", &["holds no codes"]),
        ("decode vae --codes all.frit", &["all.frit holds codes of a VQ-VAE's codebook", "is of vae", "latents"]),
        ("decode gan --codes all.frit", &["all.frit holds codes of a VQ-VAE's codebook", "is of gan"]),
        ("decode vae --codes data/t10k-labels-idx1-ubyte", &["not a NumPy array"]),
        ("encode vqvae --out all.npy", &["all.npy ends in .npy", "vqvae is encoded as packed codes", ".frit"]),
        ("encode vae --out all.frit", &["all.frit ends in .frit", "vae is encoded as a NumPy array", ".npy"]),
        ("encode vae -n 0", &["-n 0", "the 40 test images; give"]),
        ("decode vae --codes nosuch", &["nosuch could not be read"]),
        ("encode gan", &["gan encodes nothing"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
    place.refused("encode vae -n 41 --device cpu", &["-n 41", "the 40 test images"]);
}

#[test]
fn pictures_are_png_and_stay_apart() {
    let place = Place::new();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    place.done("encode vae --device cpu --out codes.npy");
    for command in ["sample", "reconstruct", "interpolate", "traverse", "decode --codes codes.npy"] {
        let (command, more) = command.split_once(' ').unwrap_or((command, ""));
        for name in ["x.jpg", "png"] {
            let line = format!("{command} vae {more} --device cpu --out {name}");
            place.refused(&line, &["written as PNG", name, "ends in .png"]);
        }
    }
    place.refused("data inspect data --out sheet.jpg", &["sheet.jpg", "ends in .png"]);
    place.done("sample vae -n 2 --device cpu --out X.PNG");

    // What is not a numbered picture may stay beside them.
    fs::create_dir(place.path("drawn")).unwrap();
    fs::write(place.path("drawn/notes.txt"), "").unwrap();
    place.done("sample vae -n 12 --device cpu --files drawn");
    let words = ["drawn holds pictures already, such as 0", "000", "another folder"];
    place.refused("sample vae -n 3 --device cpu --files drawn", &words);
    place.refused("sample vae -n 3 --device cpu --files vae/samples", &["vae/samples holds pictures already"]);
    place.refused("sample vae -n 3 --device cpu --out x.jpg --files new", &["x.jpg"]);
}

#[test]
fn what_a_model_does_not_do_is_said_with_what_it_does() {
    let place = Place::new();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    place.done("train classifier --data data --batch-size 32 --epochs 1 --device cpu -q --out classifier");
    for (line, words) in [
        ("sample classifier", &["classifier has no prior", "frit eval"][..]),
        ("reconstruct classifier", &["classifier reconstructs nothing", "frit eval"]),
        ("interpolate classifier", &["classifier decodes nothing"]),
        ("sample vae -n 0", &["-n 0 is not between 1 and 10000; give a number that is"]),
        ("sample vae -n 10001", &["-n 10001 is not between 1 and 10000; give a number that is"]),
        ("reconstruct vae -n 0", &["-n 0 is not between 1 and the 40 test images; give"]),
        ("reconstruct vae -n 41", &["-n 41 is not between 1 and the 40 test images; give"]),
        ("reconstruct vae -n 20000", &["-n 20000 is not between 1 and the 40 test images; give"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
}
