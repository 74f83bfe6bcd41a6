//! Image-to-image translation and restoration from the command line.

// The tests of the command line use the rest of it.
#[allow(dead_code)]
mod place;

use image::{DynamicImage, Rgb, RgbImage};
use place::{Place, refusal, stderr};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A small CycleGAN, a small paired translation, and a small restoration.
const CYCLEGAN: &str = "train cyclegan --data a --data-b b --device cpu -q --batch-size 4 --set cyclegan.width=4 \
                        --set cyclegan.blocks=1 --set cyclegan.discriminator_width=4 --set cyclegan.pool=6 --size 12";
const PAIRED: &str = "train paired --data a --data-b b --device cpu -q --batch-size 8 --set paired.width=6 \
                      --set paired.halvings=1 --set paired.discriminator_width=4 --set paired.discriminator_halvings=1";
const RESTORATION: &str = "train restoration --data a --device cpu -q --batch-size 8 --set paired.width=8 \
                           --set paired.halvings=1";

/// Squares of a random place and colour on white, 12×12: A. B is their negative.
fn draw(place: &Place, count: u32) {
    for folder in ["a", "b"] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    for number in 0..count {
        let random = |k: u32| (number * 7 + k * 13) % 29 * 8 % 5 + (number * (k + 3)) % 5;
        let [x, y] = [random(1) % 7, random(2) % 7];
        let colour = [40 * (number % 5) as u8, 60 * (number % 3) as u8, 30 * (number % 7) as u8];
        let mut image = RgbImage::from_pixel(12, 12, Rgb([250 - (number % 4) as u8; 3]));
        for at in 0..25 {
            image.put_pixel(x + at % 5, y + at / 5, Rgb(colour));
        }
        image.save(place.path("a").join(format!("{number:03}.png"))).unwrap();
        let mut negative = DynamicImage::ImageRgb8(image);
        negative.invert();
        negative.save(place.path("b").join(format!("{number:03}.png"))).unwrap();
    }
}

fn drawn(count: u32) -> Place {
    let place = Place::new();
    draw(&place, count);
    place
}

fn eval(place: &Place, run: &str) -> Value {
    serde_json::from_str(&place.done(&format!("eval {run} --device cpu --json"))).unwrap()
}

fn number(object: &Value, keys: &[&str]) -> f64 {
    let value = keys.iter().fold(object, |value, key| &value[*key]);
    value.as_f64().unwrap_or_else(|| panic!("{keys:?} in {object}"))
}

fn size_of(path: &Path) -> (u32, u32) {
    let image = image::open(path).unwrap();
    (image.width(), image.height())
}

#[test]
fn pairs_teach_a_translation() {
    let place = drawn(60);
    place.done(&format!("{PAIRED} --epochs 40 --out run"));
    let found = eval(&place, "run");
    let of = |row: &str| number(&found, &["to_b", row, "l1"]);
    assert!(of("translated") < 0.12, "{found}");
    assert!(of("translated") < of("input") && of("translated") < of("mean"), "{found}");
    assert!(number(&found, &["psnr"]) > number(&found, &["to_b", "input", "psnr"]), "{found}");
    assert!(found["to_a"].is_null(), "pairs are translated one way");
    let text = place.done("eval run --device cpu");
    assert!(text.contains("nearest") && text.contains("translations to B"), "{text}");
    place.done("translate run --device cpu -n 4");
    // Columns of an image, its translation and the true one.
    assert_eq!(size_of(&place.path("run/translations.png")), (4 * 26 - 2, 3 * 26 - 2));
    refusal(&place.frit("translate run --to a"), &["paired does not translate to a"]);
    refusal(
        &place.frit(&format!("{PAIRED} --set paired.gan_weight=0 --set paired.loss=hinge --out other")),
        &["paired.gan_weight is 0"],
    );
}

#[test]
fn own_images_are_translated_whole() {
    let place = drawn(30);
    place.done(&format!("{PAIRED} --epochs 2 --out run"));
    let own = place.path("own");
    fs::create_dir_all(own.join("more")).unwrap();
    for (name, w, h) in [("small.png", 5, 7), ("wide.png", 41, 12), ("more/same.png", 12, 12)] {
        RgbImage::from_pixel(w, h, Rgb([9, 99, 200])).save(own.join(name)).unwrap();
    }
    let output = place.frit("translate run --images own --device cpu");
    assert!(stderr(&output).contains("resized 2 of 3 images"), "{}", stderr(&output));
    let to = place.path("run/translated");
    assert_eq!(size_of(&to.join("small.png")), (12, 16));
    assert_eq!(size_of(&to.join("wide.png")), (42, 12));
    assert_eq!(size_of(&to.join("more/same.png")), (12, 12));
    // On the adapter, the same pixels but for rounding.
    place.done("translate run --images own/wide.png --device gpu --out gpu");
    let [cpu, gpu] = ["run/translated/wide.png", "gpu/wide.png"].map(|path| image::open(place.path(path)).unwrap());
    let differ = cpu.to_rgb8().iter().zip(gpu.to_rgb8().iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(differ <= 1, "{differ}");
    refusal(&place.frit("translate run --images nosuch"), &["no file or folder 'nosuch'"]);
    refusal(&place.frit("translate run --images own --alpha --device cpu"), &["--alpha needs a model"]);
    refusal(&place.frit("restore run --images own --mask own/small.png"), &["use `frit translate`"]);
    // Attention takes at most 256 pixels at the smallest size.
    place.done(&format!("{PAIRED} --epochs 1 --set paired.heads=2 --out attentive"));
    RgbImage::from_pixel(90, 60, Rgb([9, 99, 200])).save(own.join("large.png")).unwrap();
    let output = place.frit("translate attentive --images own/large.png --device cpu --out smaller");
    assert!(stderr(&output).contains("resized 1 of 1 images (e.g. 60×90 to"), "{}", stderr(&output));
    let (w, h) = size_of(&place.path("smaller/large.png"));
    assert!(w / 2 * (h / 2) <= 256 && w > 36 && w > h, "{w}×{h}");
}

#[test]
fn masks_become_opacity() {
    let place = drawn(24);
    fs::create_dir_all(place.path("masks")).unwrap();
    for entry in fs::read_dir(place.path("a")).unwrap() {
        let path = entry.unwrap().path();
        let mask = DynamicImage::ImageLuma8(image::open(&path).unwrap().to_luma8());
        mask.save(place.path("masks").join(path.file_name().unwrap())).unwrap();
    }
    let line = PAIRED.replace("--data-b b", "--data-b masks");
    place.done(&format!("{line} --epochs 2 --out run"));
    place.done("translate run --images a --alpha --device cpu --out cut");
    let image = image::open(place.path("cut/003.png")).unwrap();
    assert!(image.color().has_alpha() && image.width() == 12, "{:?}", image.color());
    let [of_image, given] = [image.to_rgba8(), image::open(place.path("a/003.png")).unwrap().to_rgba8()];
    assert!(of_image.pixels().zip(given.pixels()).all(|(a, b)| a.0[..3] == b.0[..3]));
}

#[test]
fn restorations_undo_a_corruption() {
    let place = drawn(60);
    for (kind, better) in [("noise:0.2", "median"), ("down:2", "bilinear"), ("mask:4", "neighbours")] {
        let run = kind.replace(':', "-");
        place.done(&format!("{RESTORATION} --corrupt {kind} --epochs 60 --lr 0.003 --out {run}"));
        let found = eval(&place, &run);
        let of = |row: &str| number(&found, &["to_b", row, "psnr"]);
        assert!(of("translated") > of("input"), "{kind}: {found}");
        assert!(found["to_b"][better].is_object(), "{kind}: {found}");
        place.done(&format!("restore {run} --device cpu -n 4"));
        assert!(place.path(&run).join("restorations.png").exists());
    }
    place.done("restore noise-0.2 --images a --device cpu --out clean");
    assert_eq!(size_of(&place.path("clean/003.png")), (12, 12));
    // Unknown pixels are made, by a model that was trained on masks.
    let mut mask = RgbImage::new(12, 12);
    (0..16).for_each(|at| mask.put_pixel(4 + at % 4, 4 + at / 4, Rgb([255; 3])));
    mask.save(place.path("mask.png")).unwrap();
    place.done("restore mask-4 --images a --mask mask.png --device cpu --out whole");
    let [made, given] = ["whole/003.png", "a/003.png"].map(|path| image::open(place.path(path)).unwrap().to_rgb8());
    let is_unknown = |x: u32, y: u32| (4..8).contains(&x) && (4..8).contains(&y);
    let known = made.enumerate_pixels().filter(|(x, y, _)| !is_unknown(*x, *y));
    assert!(known.into_iter().all(|(x, y, pixel)| pixel == given.get_pixel(x, y)), "known pixels stay");
    RgbImage::new(12, 12).save(place.path("black.png")).unwrap();
    refusal(&place.frit("restore mask-4 --images a --mask black.png --device cpu"), &["the mask is black"]);
    refusal(&place.frit("translate mask-4 --images a --device cpu"), &["use `frit restore`"]);
    refusal(&place.frit("restore noise-0.2 --images a --mask mask.png --device cpu"), &["leave out --mask"]);
    refusal(&place.frit("restore noise-0.2 --images a --class red --device cpu"), &["leave it out"]);
    refusal(&place.frit("restore mask-4 --images a --device cpu"), &["--mask"]);
    refusal(&place.frit(&format!("{RESTORATION} --corrupt smudge:3 --out bad")), &["smudge:3", "jpeg"]);
    refusal(&place.frit(&format!("{RESTORATION} --corrupt mask:99 --out bad")), &["paired.corrupt", "mask:99"]);
}

/// A VAE and a prior, trained on whole images, complete what a mask hides, and keep the rest.
#[test]
fn other_models_complete_images() {
    let place = drawn(40);
    let mut mask = RgbImage::new(12, 12);
    (0..12 * 6).for_each(|at| mask.put_pixel(at % 12, 6 + at / 12, Rgb([255; 3])));
    mask.save(place.path("mask.png")).unwrap();
    place.done("train vae --data a --device cpu -q --batch-size 12 --hidden 32 --latent-dim 4 --epochs 3 --out vae");
    place.done("train gan --data a --device cpu -q --batch-size 12 --hidden 16 --latent-dim 4 --epochs 2 --out gan");
    let vqvae = "train vqvae --data a --device cpu -q --batch-size 12 --set vqvae.width=8 --set vqvae.residual=4";
    place.done(&format!("{vqvae} --epochs 2 --set vqvae.codes=8 --set vqvae.halvings=1 --out vqvae"));
    let prior = "train prior --codes vqvae --device cpu -q --batch-size 12 --set prior.width=8 --set prior.layers=2";
    place.done(&format!("{prior} --set prior.output=8 --epochs 2 --out prior"));
    for run in ["vae", "gan", "prior"] {
        place.done(&format!("restore {run} --images a/003.png --mask mask.png --device cpu -q --out {run}-made"));
        let made = image::open(place.path(&format!("{run}-made/003.png"))).unwrap().to_rgb8();
        let given = image::open(place.path("a/003.png")).unwrap().to_rgb8();
        let same = |x: u32, y: u32| made.get_pixel(x, y) == given.get_pixel(x, y);
        assert!((0..12).all(|x| (0..6).all(|y| same(x, y))), "{run} keeps known pixels");
        assert!(!(0..12).all(|x| (6..12).all(|y| same(x, y))), "{run} makes unknown ones");
    }
    refusal(&place.frit("restore vae --images a/003.png --device cpu"), &["--mask MASK.png"]);
    refusal(&place.frit("restore vae --device cpu"), &["--images", "--mask"]);
    RgbImage::from_pixel(9, 12, Rgb([255; 3])).save(place.path("narrow.png")).unwrap();
    // A mask is fitted as the images are: its middle square is kept, and all of it is white.
    refusal(&place.frit("restore vae --images a/003.png --mask narrow.png --device cpu"), &["no known pixel"]);
    refusal(&place.frit("restore vqvae --images a/003.png --mask mask.png --device cpu"), &["completes no images"]);
    refusal(&place.frit("translate vae --images a/003.png --device cpu"), &["vae translates no images"]);
}

#[test]
fn two_sets_are_translated_without_pairs() {
    let place = drawn(32);
    fs::remove_file(place.path("b/007.png")).unwrap();
    place.done(&format!("{CYCLEGAN} --epochs 2 --out run"));
    let found = eval(&place, "run");
    for key in ["cycle_error", "identity_error", "d_loss", "g_loss"] {
        assert!(number(&found, &[key]) >= 0.0, "{found}");
    }
    assert!(found["to_b"].is_null(), "without pairs, no image has a true translation");
    for to in ["a", "b"] {
        place.done(&format!("translate run --images a/003.png --to {to} --device cpu --out {to}-made"));
        assert_eq!(size_of(&place.path(&format!("{to}-made/003.png"))), (12, 12));
    }
    // Pairs are of use to the evaluation alone.
    place.done(&format!("{CYCLEGAN} --pairs name --epochs 1 --out pairs"));
    let found = eval(&place, "pairs");
    assert!(number(&found, &["to_a", "nearest", "l1"]) > 0.0 && number(&found, &["l1"]) > 0.0, "{found}");
    refusal(&place.frit("train cyclegan --data a --device cpu"), &["data.b must name the second set"]);
    refusal(&place.frit("train vae --data a --data-b b --device cpu"), &["data.source has two sets of images"]);
    refusal(
        &place.frit(&format!("{CYCLEGAN} --set train.batch_size=31 --out big").replace("--batch-size 4 ", "")),
        &["train.batch_size is 31"],
    );
    let one_way = PAIRED.replace("paired --data", "paired --pairs none --data");
    refusal(&place.frit(&format!("{one_way} --out none")), &["data.pairs must be name or split"]);
    let sets = "train paired --pairs none --data c --device cpu -q --batch-size 4 --out none";
    for (part, first) in [("trainA", 0), ("trainB", 8), ("testA", 16), ("testB", 20)] {
        fs::create_dir_all(place.path("c").join(part)).unwrap();
        for number in first..first + 4 {
            let name = format!("{number:03}.png");
            fs::copy(place.path("a").join(&name), place.path("c").join(part).join(&name)).unwrap();
        }
    }
    refusal(&place.frit(sets), &["data.pairs must be name or split"]);
    refusal(&place.frit("train restoration --data moons --device cpu"), &["moons are points"]);
    refusal(&place.frit("train vae --data c --device cpu"), &["has two sets of images"]);
    let printed = stderr(&place.frit("train c --device cpu --batch-size 4 --steps 1 --set cyclegan.width=2 --out own"));
    assert!(printed.contains("cyclegan") && place.path("own/config.toml").exists(), "{printed}");
}

/// A run in micro-batches is the run, but for rounding.
#[test]
fn runs_go_in_parts() {
    let place = drawn(24);
    for (name, line, key) in [
        ("cyclegan", CYCLEGAN.to_string(), "cycle_error"),
        ("paired", PAIRED.to_string(), "l1_error"),
        ("restoration", format!("{RESTORATION} --corrupt mask:5"), "l1_error"),
    ] {
        for device in ["reference", "gpu"] {
            let line = line.replace("--device cpu", &format!("--device {device}"));
            let [whole, parts] = ["whole", "parts"].map(|kind| format!("{name}-{device}-{kind}"));
            place.done(&format!("{line} --steps 5 --epochs 9 --out {whole}"));
            place.done(&format!("{line} --steps 5 --epochs 9 --micro-batch 3 --out {parts}"));
            let [one, other] = [whole, parts].map(|run| number(&eval(&place, &run), &[key]));
            assert!((one - other).abs() < 1e-3, "{name} on {device}: {one}, in micro-batches {other}");
        }
    }
}
