//! Interpolation and traversal of latent spaces; latent codes in files.

mod place;

use place::{Place, TEST, stderr};
use std::fs;

const TRAIN: &str = "--data data --latent-dim 3 --batch-size 32 --epochs 3 --device cpu -q";

/// Codes of two numbers, three and four levels of them.
const FSQ: &str = "--set vqvae.width=8 --set vqvae.residual=4 --set vqvae.levels=[3,4] --set vqvae.halvings=1 \
                   --data data --batch-size 32 --epochs 3 --device cpu -q";

fn trained() -> Place {
    let place = Place::new();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    place.done(&format!("train ae --hidden 16 {TRAIN} --out ae"));
    place.done(&format!("train gan --hidden 16 {TRAIN} --out gan"));
    let sizes = "--set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1";
    place.done(&format!("train vqvae {sizes} {TRAIN} --out vqvae"));
    place.done(&format!("train fsq-vae {FSQ} --out fsq"));
    place
}

impl Place {
    fn picture(&self, line: &str) -> image::RgbImage {
        self.done(&format!("{line} --device cpu --out p.png"));
        image::open(self.path("p.png")).unwrap().into_rgb8()
    }

    /// A trained model of each class-conditional family.
    fn train_class_conditional(&self) {
        self.done(&format!("train cvae --hidden 16 {TRAIN} --out cvae"));
        self.done(&format!("train cgan --hidden 16 {TRAIN} --out cgan"));
    }

    /// Writes an .npy file.
    fn put_npy(&self, name: &str, descr: &str, shape: &str, elements: &[u8]) {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let length = (header.len() as u16).to_le_bytes();
        fs::write(self.path(name), [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), elements].concat()).unwrap();
    }

    /// Writes latents of `width` numbers to a file.
    fn put_codes(&self, name: &str, width: usize, numbers: &[f32]) {
        let elements: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.put_npy(name, "<f4", &format!("{}, {width}", numbers.len() / width), &elements);
    }

    /// The rows of an .npy file.
    fn codes(&self, name: &str, width: usize) -> Vec<Vec<f32>> {
        let bytes = fs::read(self.path(name)).unwrap();
        let start = 1 + bytes.iter().position(|&byte| byte == b'\n').expect("a header");
        let number = |word: &[u8]| f32::from_le_bytes(word.try_into().unwrap());
        bytes[start..].chunks_exact(4).map(number).collect::<Vec<f32>>().chunks(width).map(<[f32]>::to_vec).collect()
    }
}

/// A part of a grid, by rows and columns.
fn part(picture: &image::RgbImage, [row, column]: [u32; 2], [rows, columns]: [u32; 2]) -> image::RgbImage {
    let [y, x] = [row, column].map(|at| at * (side(1) + 2));
    image::imageops::crop_imm(picture, x, y, side(columns), side(rows)).to_image()
}

/// The largest pixel difference.
fn difference(a: &image::RgbImage, b: &image::RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// The side of a grid: images at twice their size, with gaps of two pixels.
fn side(pictures: u32) -> u32 {
    pictures * (2 * 6 + 2) - 2
}

#[test]
fn interpolations_and_traversals_have_rows_and_columns() {
    let place = trained();
    let way = place.picture("interpolate vae --rows 3 --steps 5");
    assert_eq!(way.dimensions(), (side(5), side(3)));
    assert!(way == place.picture("interpolate vae --rows 3 --steps 5 --seed 0"), "a seed fixes it");
    assert!(way != place.picture("interpolate vae --rows 3 --steps 5 --seed 1"));
    assert!(way != place.picture("interpolate vae --rows 3 --steps 5 --spherical"));
    assert_eq!(place.picture("interpolate gan --rows 2 --steps 4").dimensions(), (side(4), side(2)));
    let moved = place.picture("traverse vae --image 2 --units 9 --steps 7");
    assert_eq!(moved.dimensions(), (side(7), side(3)), "there are three numbers to move");
    // Between images, the ends are their reconstructions, of a VQ-VAE too.
    for run in ["vae", "vqvae", "fsq"] {
        let ends = place.picture(&format!("interpolate {run} --test-images --rows 1 --steps 2"));
        let pairs = place.picture(&format!("reconstruct {run} -n 2"));
        assert!(part(&pairs, [1, 0], [1, 2]) == ends, "{run}");
    }
    for (line, words) in [
        ("traverse vqvae", &["cannot be traversed"][..]),
        ("interpolate gan --test-images --rows 1", &["gan has no encoder"]),
        ("interpolate vae --steps 1", &["'1' for --steps", "2 to"]),
        ("interpolate vae --test-images --rows 30", &["60 test images", "40"]),
        ("traverse vae --image 40", &["'40' for --image", "0 to 39"]),
        ("traverse vae --reach 0", &["'0' for --reach"]),
        ("traverse vae --reach -2", &["'-2' for --reach"]),
        ("traverse vae --reach inf", &["'inf' for --reach"]),
        ("traverse vae --reach nan", &["'NaN' for --reach"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
}

#[test]
fn encoded_files_decode_to_the_same_images() {
    let place = trained();
    let files = [("vae", "codes.npy"), ("ae", "codes.npy"), ("vqvae", "codes.frit"), ("fsq", "codes.frit")];
    for (run, file) in files {
        assert_eq!(place.done(&format!("encode {run} -n 16 --device cpu")), format!("{run}/{file}\n"));
        let decoded = place.picture(&format!("decode {run} --codes {run}/{file}"));
        let pairs = place.picture(&format!("reconstruct {run} -n {TEST}"));
        assert!(part(&decoded, [0, 0], [1, 4]) == part(&pairs, [1, 0], [1, 4]), "{run}");
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
    place.done(&format!("train fsq-vae {FSQ} --seed 5 --out other-fsq"));
    for (line, words) in [
        ("decode vqvae --codes damaged.frit", &["damaged.frit is damaged"][..]),
        ("decode other --codes all.frit", &["another model"]),
        ("decode other-fsq --codes fsq/codes.frit", &["another model"]),
        ("decode vqvae --codes fsq/codes.frit", &["another model"]),
        (
            "decode vqvae --codes vae/codes.npy",
            &["vae/codes.npy holds continuous latents", "vqvae", "codebook indices"],
        ),
        ("decode vqvae --codes data/t10k-labels-idx1-ubyte", &["is not a file of codes"]),
        ("decode vae --codes all.frit", &["all.frit holds codebook indices", "run's vae", "latents"]),
        ("decode gan --codes all.frit", &["all.frit holds codebook indices", "run's gan"]),
        ("decode vae --codes data/t10k-labels-idx1-ubyte", &["not a NumPy array"]),
        ("encode vqvae --out all.npy", &["cannot write packed codes to all.npy", "vqvae", ".frit"]),
        ("encode vae --out all.frit", &["cannot write a NumPy array to all.frit", "vae", ".npy"]),
        ("encode vae -n 0", &["'0' for -n", "1 to 40"]),
        ("decode vae --codes nosuch", &["cannot read nosuch"]),
        ("encode gan", &["gan has no encoder"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
    place.refused("encode vae -n 41 --device cpu", &["'41' for -n", "1 to 40"]);
}

#[test]
fn models_without_a_prior_start_from_test_images() {
    let place = Place::new();
    place.done(&format!("train ae --hidden 16 {TRAIN} --out ae"));
    let pairs = place.picture("reconstruct ae -n 6");
    let way = place.picture("interpolate ae --rows 3 --steps 4");
    for row in 0..3 {
        for (column, image) in [(0, row), (3, row + 3)] {
            assert!(part(&way, [row, column], [1, 1]) == part(&pairs, [1, image], [1, 1]), "{row} {column}");
        }
    }
    assert!(way == place.picture("interpolate ae --rows 3 --steps 4 --test-images"));
    let all = place.picture(&format!("reconstruct ae -n {TEST}"));

    // The middle of a row is the image; its ends are that number of standard deviations away.
    place.done("encode ae --device cpu --out codes.npy");
    let codes = place.codes("codes.npy", 3);
    let mean = |of: &dyn Fn(&[f32]) -> f64| codes.iter().map(|code| of(code)).sum::<f64>() / codes.len() as f64;
    let deviation = |unit: usize| {
        let middle = mean(&|code| f64::from(code[unit]));
        mean(&|code| (f64::from(code[unit]) - middle).powi(2)).sqrt() as f32
    };
    let mut units = [0, 1, 2];
    units.sort_by(|&a, &b| deviation(b).total_cmp(&deviation(a)));
    for (options, image, reach) in [("", 0, 3.0), ("--image 4 --reach 0.5", 4, 0.5)] {
        let moved = place.picture(&format!("traverse ae --steps 3 {options}"));
        let mut expected = Vec::new();
        for unit in units {
            for share in [-1.0, 0.0, 1.0] {
                let mut code = codes[image].clone();
                code[unit] += share * reach * deviation(unit);
                expected.extend(code);
            }
        }
        place.put_codes("expected.npy", 3, &expected);
        assert!(difference(&moved, &place.picture("decode ae --codes expected.npy")) <= 1, "{options}");
        for row in 0..3 {
            assert!(part(&moved, [row, 1], [1, 1]) == part(&all, [1, image as u32], [1, 1]), "row {row}");
        }
    }
}

#[test]
fn each_row_has_one_class() {
    let place = Place::new();
    place.train_class_conditional();
    for run in ["cvae", "cgan"] {
        // Between draws from the prior, each class in turn.
        let way = place.picture(&format!("interpolate {run} --rows 3 --steps 4"));
        for class in 0..3 {
            let all = place.picture(&format!("interpolate {run} --rows 3 --steps 4 --class {class}"));
            for row in 0..3 {
                let same = part(&way, [row, 0], [1, 4]) == part(&all, [row, 0], [1, 4]);
                assert_eq!(same, row == class, "{run}: row {row}, class {class}");
            }
        }
    }
    // The prior's mean is in the middle of each row, of the first class or the one asked for.
    place.put_codes("zeros.npy", 3, &[0.0; 9]);
    for (options, class) in [("", "0"), ("--class 6", "6")] {
        for run in ["cvae", "cgan"] {
            let moved = place.picture(&format!("traverse {run} --steps 3 {options}"));
            let zeros = place.picture(&format!("decode {run} --codes zeros.npy --class {class}"));
            for row in 0..3 {
                assert!(part(&moved, [row, 1], [1, 1]) == part(&zeros, [0, 0], [1, 1]), "{run} {options}: row {row}");
            }
        }
    }
    // Between images, and about one, its class: the label of image n is n, of ten.
    place.done("encode cvae --device cpu --out codes.npy");
    let codes = place.codes("codes.npy", 6);
    let points = |rows: &[[usize; 2]]| -> Vec<f32> {
        let at = |row: &[usize; 2], t: f32| {
            let [a, b] = row.map(|image| &codes[image][..3]);
            a.iter().zip(b).map(|(a, b)| a + t * (b - a)).collect::<Vec<f32>>()
        };
        rows.iter().flat_map(|row| [0.0, 0.5, 1.0].map(|t| at(row, t))).flatten().collect()
    };
    // Of all 40 images, each of the first half goes to one of the second.
    place.put_codes("points.npy", 3, &points(&[[0, 20], [1, 21], [2, 22]]));
    place.put_npy("row-classes.npy", "<i8", "9,", &[0u64, 0, 0, 1, 1, 1, 2, 2, 2].map(u64::to_le_bytes).concat());
    let expected = place.picture("decode cvae --codes points.npy --classes row-classes.npy");
    let way = place.picture("interpolate cvae --test-images --rows 20 --steps 3");
    assert!(difference(&part(&way, [0, 0], [3, 3]), &expected) <= 1);
    let all = place.picture("interpolate cvae --test-images --rows 20 --steps 3 --class 9");
    assert!(difference(&part(&all, [0, 0], [3, 3]), &place.picture("decode cvae --codes points.npy --class 9")) <= 1);
    let about = place.picture("traverse cvae --image 13 --units 1 --steps 2");
    assert!(about == place.picture("traverse cvae --image 13 --units 1 --steps 2 --class 3"));
    assert!(about != place.picture("traverse cvae --image 13 --units 1 --steps 2 --class 0"));
}

#[test]
fn own_images_take_the_place_of_the_test_images() {
    let place = Place::new();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    place.done(&format!("train cvae --hidden 16 {TRAIN} --out cvae"));
    // The test images 3 and 4, as files.
    for (path, number) in [("mine/3.png", 3), ("mine/4.png", 4), ("classes/3/a.png", 3)] {
        fs::create_dir_all(place.path(path).parent().unwrap()).unwrap();
        let pixel = |x, y| image::Luma([place::stripes(number, (y * 6 + x) as usize)]);
        image::GrayImage::from_fn(6, 6, pixel).save(place.path(path)).unwrap();
    }
    place.done("encode vae --device cpu --out all.npy");
    let [all, all_of_cvae] = ["vae", "cvae"].map(|run| place.picture(&format!("reconstruct {run} -n {TEST}")));
    // None of these needs the data of the run.
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    let own = place.picture("reconstruct vae --images mine/3.png mine/4.png");
    assert!(own == part(&all, [0, 3], [2, 2]));
    assert!(own == place.picture("reconstruct vae --images mine"));
    place.done("encode vae --images mine --device cpu --out own.npy");
    let [own_codes, all_codes] = ["own.npy", "all.npy"].map(|name| place.codes(name, 6));
    let pairs = own_codes.iter().flatten().zip(all_codes[3..5].iter().flatten());
    assert!(own_codes.len() == 2 && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));
    let way = place.picture("interpolate vae --from mine/3.png --to mine/4.png --steps 3");
    assert_eq!(way.dimensions(), (side(3), side(1)));
    assert!([0, 1].iter().all(|&end| part(&way, [0, 2 * end], [1, 1]) == part(&own, [1, end], [1, 1])));

    // A class by its name, or by the name of a folder.
    let named = place.picture("reconstruct cvae --images mine/3.png --class 3");
    assert!(named == part(&all_of_cvae, [0, 3], [2, 1]));
    assert!(named == place.picture("reconstruct cvae --images classes"));
    for (line, words) in [
        (
            "reconstruct cvae --images mine",
            &["mine has images without a class", "the model is class-conditional", "--class"][..],
        ),
        ("encode cvae --images mine --class eleven", &["no class 'eleven'", "0, 1, 2"]),
        ("encode vae --images mine --class 3", &["vae is unconditional"]),
        ("reconstruct vae --images mine/5.png", &["no file or folder 'mine/5.png'"]),
        ("interpolate vae --from mine --to mine/3.png", &["--from and --to have 3 images"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
    place.put_codes("zeros.npy", 3, &[0.0; 6]);
    place.picture("decode vae --codes zeros.npy");
}

#[test]
fn encode_writes_the_classes_too() {
    let place = Place::new();
    place.train_class_conditional();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    let output = place.frit("encode cvae -n 16 --device cpu");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "cvae/codes.npy\ncvae/codes.classes.npy\n");
    assert!(stderr(&output).contains("wrote the classes"), "{}", stderr(&output));
    assert!(fs::read(place.path("cvae/codes.classes.npy")).unwrap().ends_with(&[8, 9, 0, 1, 2, 3, 4, 5]));
    place.done("encode vae -n 16 --device cpu");
    assert!(!place.path("vae/codes.classes.npy").exists());

    let decoded = place.picture("decode cvae --codes cvae/codes.npy --classes cvae/codes.classes.npy");
    let pairs = place.picture(&format!("reconstruct cvae -n {TEST}"));
    for row in 0..4 {
        assert!(part(&decoded, [row, 0], [1, 4]) == part(&pairs, [1, 4 * row], [1, 4]), "row {row}");
    }
    place.put_npy("few.npy", "|u1", "3,", &[0; 3]);
    place.put_npy("unknown.npy", "|u1", "16,", &[10; 16]);
    place.put_npy("halves.npy", "<f4", "16,", &[0; 64]);
    let decode = "decode cvae --codes cvae/codes.npy";
    for (line, words) in [
        (decode.to_string(), &["class-conditional", "--classes", "--class"][..]),
        (format!("{decode} --class eleven"), &["no class 'eleven'", "0, 1, 2"]),
        (format!("{decode} --classes few.npy"), &["few.npy has shape [3]", "expected [16]"]),
        (format!("{decode} --classes unknown.npy"), &["unknown.npy has class index 10", "10 classes"]),
        (format!("{decode} --classes halves.npy"), &["halves.npy holds float32", "whole numbers"]),
        (format!("{decode} --classes nosuch.npy"), &["cannot read nosuch.npy"]),
        ("interpolate cvae --class eleven".into(), &["no class 'eleven'"]),
        ("traverse cgan --class eleven".into(), &["no class 'eleven'"]),
        ("interpolate vae --class 1".into(), &["vae is unconditional"]),
        ("traverse vae --class 1".into(), &["vae is unconditional"]),
        ("decode vae --codes vae/codes.npy --class 1".into(), &["vae is unconditional"]),
        ("decode vae --codes vae/codes.npy --classes few.npy".into(), &["unconditional", "--classes"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
}

#[test]
fn images_are_png_and_folders_are_not_mixed() {
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

    // Files that are not numbered images may stay in the folder.
    fs::create_dir(place.path("drawn")).unwrap();
    fs::write(place.path("drawn/notes.txt"), "").unwrap();
    place.done("sample vae -n 12 --device cpu --files drawn");
    let words = ["drawn already contains images, e.g. 0", "000", "empty folder"];
    place.refused("sample vae -n 3 --device cpu --files drawn", &words);
    place.refused("sample vae -n 3 --device cpu --files vae/samples", &["vae/samples already contains images"]);
    place.refused("sample vae -n 3 --device cpu --out x.jpg --files new", &["x.jpg"]);
}

#[test]
fn missing_capabilities_name_an_alternative() {
    let place = Place::new();
    place.done(&format!("train vae --hidden 16 {TRAIN} --out vae"));
    place.done("train classifier --data data --batch-size 32 --epochs 1 --device cpu -q --out classifier");
    for (line, words) in [
        ("sample classifier", &["classifier has no prior", "frit eval"][..]),
        ("reconstruct classifier", &["classifier has no encoder", "frit eval"]),
        ("interpolate classifier", &["classifier has no decoder"]),
        ("sample vae -n 0", &["'0' for -n: expected 1 to 10000"]),
        ("sample vae -n 10001", &["'10001' for -n: expected 1 to 10000"]),
        ("reconstruct vae -n 0", &["'0' for -n: expected 1 to 40"]),
        ("reconstruct vae -n 41", &["'41' for -n: expected 1 to 40"]),
        ("reconstruct vae -n 20000", &["'20000' for -n: expected 1 to 40"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
}

/// A GAN with averaged weights uses them for every kind of image.
#[test]
fn decoding_uses_averaged_weights() {
    let place = Place::new();
    place.done(&format!("train gan --hidden 16 --set optimiser.average=0.9 {TRAIN} --out run"));
    place.put_codes("z.npy", 3, &[0.5, -1.0, 2.0, 0.1, 0.2, 0.3]);
    let drawn = place.picture("decode run --codes z.npy");
    assert!(drawn == place.picture("decode run --codes z.npy --average"));
    // The latest weights alone, as of a run that keeps no average, draw something else.
    place.done(
        "train gan --hidden 16 --set optimiser.average=0 --data data --latent-dim 3 --batch-size 32 --epochs 3 \
         --device cpu -q --out other",
    );
    assert!(drawn != place.picture("decode other --codes z.npy"));
}
