//! Projection of images to latents; interpolation between a user's images, as an image and as an animation.

mod place;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::{AnimationDecoder, Frame, RgbImage};
use place::{Place, stderr, stripes};
use serde_json::Value;
use std::fs;
use std::io::Cursor;

const TRAIN: &str = "--data data --latent-dim 3 --batch-size 32 --epochs 3 --device cpu -q";
/// Side of an image in a grid, and the distance of two.
const SIDE: u32 = 12;
const PITCH: u32 = SIDE + 2;

fn trained(recipes: &[&str]) -> Place {
    let place = Place::new();
    for recipe in recipes {
        place.done(&format!("train {recipe} --hidden 16 {TRAIN} --out {recipe}"));
    }
    place
}

impl Place {
    fn picture(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().into_rgb8()
    }

    /// Test images as files `mine/<number>.png`.
    fn put_images(&self, numbers: &[usize]) {
        fs::create_dir_all(self.path("mine")).unwrap();
        for &number in numbers {
            let pixel = |x, y| image::Luma([stripes(number, (y * 6 + x) as usize)]);
            image::GrayImage::from_fn(6, 6, pixel).save(self.path(&format!("mine/{number}.png"))).unwrap();
        }
    }

    /// The squared errors that `project` prints, and their mean.
    fn errors(&self, line: &str) -> Vec<f64> {
        let printed = self.done(&format!("project {line} --device cpu"));
        let rows = printed.lines().skip(1).take_while(|line| !line.ends_with(".png"));
        rows.map(|row| row.split_whitespace().last().unwrap().parse().unwrap()).collect()
    }

    fn frames(&self, name: &str) -> Vec<Frame> {
        let bytes = Cursor::new(fs::read(self.path(name)).unwrap());
        let frames = match name.ends_with("gif") {
            true => GifDecoder::new(bytes).unwrap().into_frames(),
            false => PngDecoder::new(bytes).unwrap().apng().unwrap().into_frames(),
        };
        frames.collect_frames().unwrap()
    }
}

/// An image of a grid.
fn cell(grid: &RgbImage, row: u32, column: u32) -> RgbImage {
    image::imageops::crop_imm(grid, column * PITCH, row * PITCH, SIDE, SIDE).to_image()
}

fn apart(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn a_gan_finds_the_latents_of_its_samples() {
    let place = trained(&["gan", "cgan"]);
    place.done("sample gan -n 3 --seed 5 --device cpu --files own");
    let printed = place.done("project gan --images own --steps 400 --device cpu");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "image  squared error");
    assert_eq!(lines[5..], ["gan/projections.png", "gan/projections.npy"]);
    let number = |line: &str| line.split_whitespace().last().unwrap().parse::<f64>().unwrap();
    // The files are rounded to bytes: an error of at most 36 · (1/510)².
    assert!(lines[1..5].iter().all(|line| number(line) < 1e-3), "{printed}");
    let before = place.errors("gan --images own --steps 1")[3];
    assert!(before > 10.0 * number(lines[4]), "{before} after one step: {printed}");

    // Originals above, projections below; the file of latents decodes to the same.
    let grid = place.picture("gan/projections.png");
    assert_eq!(grid.dimensions(), (3 * PITCH - 2, 2 * PITCH - 2));
    place.done("decode gan --codes gan/projections.npy --device cpu --out decoded.png");
    place.done("project gan --images own --steps 400 --device cpu");
    let (grid, decoded) = (place.picture("gan/projections.png"), place.picture("decoded.png"));
    for column in 0..3 {
        let original = image::open(place.path(&format!("own/0000{column}.png"))).unwrap();
        let original = original.resize_exact(SIDE, SIDE, image::imageops::FilterType::Nearest).into_rgb8();
        assert_eq!(apart(&cell(&grid, 0, column), &original), 0);
        assert!(apart(&cell(&grid, 1, column), &original) <= 8, "image {column}");
    }
    assert_eq!(decoded.dimensions(), (2 * PITCH - 2, 2 * PITCH - 2));

    // The class is that of the image.
    place.done("sample cgan -n 10 --device cpu --files classes --by-class");
    let errors = place.errors("cgan --images classes --steps 400 --codes z.npy");
    assert!(errors.len() == 11 && errors[10] < 1e-2, "{errors:?}");
    let wrong = place.errors("cgan --images classes/3 --class 4 --steps 400 --codes z.npy");
    assert!(wrong[0] > 1e-2, "{wrong:?}");
    assert!(place.path("z.classes.npy").exists());
    place.refused("project cgan --images own --device cpu", &["the model is class-conditional", "--class"]);
}

#[test]
fn projections_improve_on_reconstructions() {
    let place = trained(&["vae", "ae"]);
    place.put_images(&[3, 4, 5, 6, 7]);
    let pixels = |picture: &RgbImage| picture.iter().map(|&byte| f64::from(byte) / 255.0).collect::<Vec<_>>();
    for run in ["vae", "ae"] {
        place.done(&format!("reconstruct {run} --images mine --device cpu"));
        let pairs = place.picture(&format!("{run}/reconstructions.png"));
        let errors = place.errors(&format!("{run} --images mine"));
        assert_eq!(errors.len(), 6);
        for (column, &error) in errors[..5].iter().enumerate() {
            let [original, copy] = [0, 1].map(|row| pixels(&cell(&pairs, row, column as u32)));
            // Each pixel is four of the grid, in three channels.
            let before = original.iter().zip(&copy).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / 12.0;
            assert!(error < before && error > 0.0, "{run}, image {column}: {error} after {before}");
        }
        let mean = errors[..5].iter().sum::<f64>() / 5.0;
        assert!((errors[5] / mean - 1.0).abs() < 1e-2, "{errors:?}");
    }
    // An image's projection does not depend on the others, and more starts are no worse.
    let [all, one] = ["mine", "mine/5.png"].map(|images| place.errors(&format!("vae --images {images}")));
    assert!((all[2] / one[0] - 1.0).abs() < 1e-2, "{all:?} {one:?}");
    let more = place.errors("vae --images mine --starts 4");
    assert!(more.iter().zip(&all).all(|(more, all)| *more <= 1.001 * all), "{more:?} {all:?}");

    let json: Value = serde_json::from_str(&place.done("project vae -n 2 --steps 3 --device cpu --json")).unwrap();
    assert_eq!((json["schema"].as_str(), json["steps"].as_u64()), (Some("project"), Some(3)));
    let images = json["images"].as_array().unwrap();
    let sum = images.iter().map(|image| image["squared_error"].as_f64().unwrap()).sum::<f64>();
    assert!(images.len() == 2 && (sum / 2.0 - json["squared_error"].as_f64().unwrap()).abs() < 1e-9, "{json}");
    let mse = images[0]["mse"].as_f64().unwrap();
    assert!((mse * 36.0 - images[0]["squared_error"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(json["codes"], "vae/projections.npy");

    let sizes = "--set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1";
    place.done(&format!("train vqvae {sizes} {TRAIN} --out vqvae"));
    place.done("train classifier --data data --batch-size 32 --epochs 1 --device cpu -q --out classifier");
    let flow = "train flow-matching --set flow.width=0 --hidden 8 --set flow.steps=2 --data data --batch-size 32";
    place.done(&format!("{flow} --epochs 1 --device cpu -q --out flow"));
    for (line, words) in [
        ("project flow", &["flow makes an image in many steps", "a GAN, a VAE or an autoencoder"][..]),
        ("project vqvae", &["vqvae decodes codebook indices", "a GAN, a VAE or an autoencoder"][..]),
        ("project classifier", &["classifier has no decoder"]),
        ("project ae --starts 2", &["ae has no prior to draw starts from"]),
        ("project vae --steps 0", &["'0' for --steps: expected 1 to"]),
        ("project vae --lr 0", &["'0' for --lr: expected a positive"]),
        ("project vae --lr nan", &["'NaN' for --lr"]),
        ("project vae --starts 0", &["'0' for --starts: expected 1 to"]),
        ("project vae -n 41", &["'41' for -n: expected 1 to 40"]),
        ("project vae --codes z.bin", &["ends in .npy", "z.bin"]),
        ("project vae --out z.jpg", &["ends in .png", "z.jpg"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
}

#[test]
fn own_images_are_joined_by_interpolations() {
    let place = trained(&["vae", "gan", "cvae"]);
    place.put_images(&[3, 4, 6]);
    place.done("reconstruct vae --images mine --device cpu");
    let pairs = place.picture("vae/reconstructions.png");
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    place.done("interpolate vae --images mine --steps 4 --device cpu --out rows.png");
    let rows = place.picture("rows.png");
    assert_eq!(rows.dimensions(), (4 * PITCH - 2, 2 * PITCH - 2));
    for (row, column, image) in [(0, 0, 0), (0, 3, 1), (1, 0, 1), (1, 3, 2)] {
        assert!(apart(&cell(&rows, row, column), &cell(&pairs, 1, image)) <= 1, "{row} {column}");
    }
    // The same from the file of latents.
    place.done("encode vae --images mine --device cpu --out codes.npy");
    place.done("interpolate vae --codes codes.npy --steps 4 --device cpu --out codes.png");
    assert!(apart(&rows, &place.picture("codes.png")) <= 1);
    // Between seeds, the ends are their samples.
    place.done("interpolate gan --seeds 3,17,5 --steps 3 --trunc 0.7 --device cpu --out seeds.png");
    place.done("sample gan --seeds 3,17,5 --trunc 0.7 --device cpu --files own");
    let rows = place.picture("seeds.png");
    for (row, column, seed) in [(0, 0, 3), (0, 2, 17), (1, 0, 17), (1, 2, 5)] {
        let own = image::open(place.path(&format!("own/{seed:05}.png"))).unwrap();
        let own = own.resize_exact(SIDE, SIDE, image::imageops::FilterType::Nearest).into_rgb8();
        assert!(apart(&cell(&rows, row, column), &own) <= 1, "{row} {column}");
    }
    for (line, words) in [
        ("interpolate vae --images mine/3.png", &["--images has 1 to interpolate between; expected 2 to 101"][..]),
        ("interpolate vae --seeds 4", &["--seeds has 1 to interpolate between"]),
        ("interpolate vae --frames 5", &["--frames and --fps are for an animation", "--gif or --apng"]),
        ("interpolate vae --seeds 0,1 --apng a.png --out a.png", &["a.png is the name of the image too"]),
        ("interpolate vae --seeds 0-200", &["--seeds has 201 to interpolate between"]),
        ("interpolate gan --images mine", &["gan has no encoder", "`frit project`", "--codes"]),
        ("interpolate cvae --images mine", &["the model is class-conditional", "--class"]),
        ("interpolate cvae --codes codes.npy", &["this model is class-conditional", "--class NAME"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
    place.done("interpolate cvae --images mine --class 3 --device cpu");
}

#[test]
fn animations_pass_each_image_and_return() {
    let place = trained(&["vae", "cgan"]);
    place.put_images(&[3, 4, 6]);
    let options = "--steps 2 --frames 5 --fps 25 --device cpu --gif a.gif --apng a.png --out rows.png";
    let printed = place.done(&format!("interpolate vae --images mine {options}"));
    assert_eq!(printed, "rows.png\na.gif\na.png\n");
    let rows = place.picture("rows.png");
    for name in ["a.gif", "a.png"] {
        let frames = place.frames(name);
        assert_eq!(frames.len(), 3 * 5, "{name}");
        for frame in &frames {
            assert_eq!((frame.delay().numer_denom_ms(), frame.buffer().dimensions()), ((40, 1), (SIDE, SIDE)));
        }
        // Greys are exact in both.
        for (at, row, column) in [(0, 0, 0), (5, 0, 1), (5, 1, 0), (10, 1, 1)] {
            let frame = image::DynamicImage::from(frames[at].buffer().clone()).into_rgb8();
            assert!(apart(&frame, &cell(&rows, row, column)) <= 1, "{name}: frame {at}");
        }
        let moved = |a: usize, b: usize| frames[a].buffer() != frames[b].buffer();
        assert!(moved(4, 5) && moved(14, 0), "{name}");
    }
    // Samples: all rows at once, there and back.
    place.done("interpolate cgan --rows 3 --steps 3 --frames 4 --device cpu --apng b.apng --out rows.png");
    let (frames, rows) = (place.frames("b.apng"), place.picture("rows.png"));
    assert_eq!((frames.len(), frames[0].buffer().dimensions()), (2 * 4, (2 * PITCH - 2, 2 * PITCH - 2)));
    for (at, column) in [(0, 0), (2, 1), (4, 2), (6, 1)] {
        let frame = image::DynamicImage::from(frames[at].buffer().clone()).into_rgb8();
        for row in 0..3 {
            let shown = cell(&frame, row / 2, row % 2);
            assert!(apart(&shown, &cell(&rows, row, column)) <= 1, "frame {at}, row {row}");
        }
    }
    for (line, words) in [
        ("--gif a.png", &["GIF files need a name that ends in .gif (got a.png)"][..]),
        ("--apng a.gif", &["APNG files need a name that ends in .png or .apng"]),
        ("--gif x.gif --fps 0", &["'0' for --fps: expected 1 to 50"]),
        ("--gif x.gif --fps 51", &["'51' for --fps"]),
        ("--gif x.gif --frames 0", &["'0' for --frames"]),
        ("--gif x.gif --frames 100000", &["the animation has 1600000 images", "fewer --frames"]),
    ] {
        place.refused(&format!("interpolate vae --device cpu {line}"), words);
    }
    let output = place.frit("interpolate vae --images mine --rows 3");
    assert!(output.status.code() == Some(2) && stderr(&output).contains("cannot be used with"));
}
