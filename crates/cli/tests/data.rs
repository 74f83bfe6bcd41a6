//! Data sets from files: formats read, messages, refusals.

mod place;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use place::{Place, refusal, stderr, stripes};
use serde_json::{Value, json};
use std::fs;
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

impl Place {
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn put_picture(&self, name: &str, picture: impl Into<DynamicImage>, format: ImageFormat) {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        self.put(name, bytes.into_inner());
    }

    /// A folder `pets`: ten cats, mostly red, and five dogs, mostly blue, of several sizes and formats.
    fn put_pets(&self) {
        for number in 0..15 {
            let (class, colour) = if number < 10 { ("cat", [200, 20, 20]) } else { ("dog", [20, 20, 200]) };
            let (format, end) = [(ImageFormat::Png, "png"), (ImageFormat::Jpeg, "jpg"), (ImageFormat::WebP, "webp")]
                [number as usize % 3];
            let picture = RgbImage::from_pixel(12 + number, 8 + number % 4, Rgb(colour));
            self.put_picture(&format!("pets/{class}/{number:02}.{end}"), picture, format);
        }
    }

    fn inspect(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(&format!("data inspect {line} --json"))).unwrap()
    }

    fn sheet(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().into_rgb8()
    }
}

/// An `.npy` of bytes.
fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

#[test]
fn formats_are_detected() {
    let place = Place::new();
    place.put_pets();
    let record = |label: u8| [vec![label], vec![label * 20; 3072]].concat();
    for batch in 1..=5 {
        place.put(&format!("cifar/data_batch_{batch}.bin"), record(batch).repeat(2));
    }
    place.put("cifar/test_batch.bin", record(5));
    let array = npy("|u1", "20, 4, 6", &[7; 480]);
    place.put("array.npy", &array);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let labels = npy("<i4", "20,", &(0..20i32).flat_map(|n| (n % 4).to_le_bytes()).collect::<Vec<u8>>());
    for (name, bytes) in [("x_train.npy", &array), ("y_train.npy", &labels)] {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    place.put("archive.npz", archive.finish().unwrap().into_inner());

    // The bytes of the files decide, which are those of an encoder; not their size or channels.
    let seen = place.inspect("pets --set data.size=4");
    let held_out = ["train", "test"].map(|part| seen[part].as_u64().unwrap());
    assert_eq!(held_out[0] + held_out[1], 15);
    for (source, kind, parts, size, classes) in [
        ("digits", "built-in digits", [10_000, 2000], [28, 28, 1], 10),
        ("shapes", "built-in shapes", [6000, 1200], [32, 32, 3], 24),
        ("data", "MNIST's IDX files", [300, 40], [6, 6, 1], 10),
        ("cifar", "CIFAR's binary files", [10, 1], [32, 32, 3], 5),
        ("array.npy", "NumPy array", [19, 1], [4, 6, 1], 1),
        ("archive.npz", "NumPy archive", [19, 1], [4, 6, 1], 4),
        ("pets --set data.size=10", "folder of images", held_out, [10, 10, 3], 2),
        ("pets --set data.size=9 --set data.channels=1", "folder of images", held_out, [9, 9, 1], 2),
        ("data --set data.size=8 --set data.channels=3", "MNIST's IDX files", [300, 40], [8, 8, 3], 10),
    ] {
        let seen = place.inspect(source);
        assert_eq!((&seen["kind"], [&seen["train"], &seen["test"]]), (&json!(kind), parts.map(Value::from).each_ref()));
        assert_eq!([&seen["height"], &seen["width"], &seen["channels"]], size.map(Value::from).each_ref(), "{source}");
        let named = seen["classes"].as_array().unwrap();
        assert_eq!(named.len(), classes, "{source}");
        for (part, count) in ["train", "test"].into_iter().zip(parts) {
            let sum: u64 = named.iter().map(|class| class[part].as_u64().unwrap()).sum();
            assert_eq!(sum, count, "{source}");
        }
    }
}

/// Images beyond a number of bytes are kept in a file, and are the same.
#[test]
fn many_images_are_kept_in_a_file() {
    let place = Place::new();
    place.put_pets();
    let planes: Vec<u8> = (0..20 * 3 * 16).flat_map(|i| (i as f32 % 97.0 / 96.0).to_le_bytes()).collect();
    place.put("planes.npy", npy("<f4", "20, 3, 4, 4", &planes));
    let bytes: Vec<u8> = (0..480).map(|i| (i * 7 % 251) as u8).collect();
    let mut columns = npy("|u1", "20, 4, 6", &bytes);
    let order = columns.windows(5).position(|word| word == b"False").unwrap();
    columns[order..order + 5].copy_from_slice(b"True ");
    place.put("columns.npy", columns);
    let in_file = |line: &str, cache: &str| {
        let mut command = place.command(line);
        command.env("FRIT_DATA_MEMORY", "100").env("FRIT_CACHE", place.path(cache)).output().unwrap()
    };
    for source in ["data", "pets --size 8", "planes.npy", "planes.npy --size 6", "columns.npy"] {
        let line = format!("data inspect {source} --json");
        let output = in_file(&line, "cache");
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), place.done(&line), "{line}");
        // The cache folder is a file.
        refusal(
            &in_file(&line, "planes.npy"),
            &[
                "is a file, not a folder; images of more than 100 bytes",
                "(FRIT_DATA_MEMORY) are kept in the folder FRIT_CACHE",
            ],
        );
    }
    let train = "train ae --data data --hidden 4 --latent-dim 2 --steps 5 --set data.shard=128 --device cpu -q --out";
    place.done(&format!("{train} memory"));
    assert!(in_file(&format!("{train} file"), "cache").status.success());
    let latest = |run: &str| fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
    assert!(latest("memory") == latest("file"));
}

#[test]
fn inspect_reports_a_folder_and_draws_a_contact_sheet() {
    let place = Place::new();
    place.put_pets();
    place.put("pets/dog/99.png", b"no picture");
    place.put("pets/readme.txt", b"not looked at");
    let printed = place.done("data inspect pets --set data.size=8 --set data.test=0.2");
    let lines: Vec<String> =
        printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let seen = place.inspect("pets --set data.size=8 --set data.test=0.2 --out other.png");
    let count = |of: &Value, part: &str| of[part].as_u64().unwrap();
    let [cats, dogs] = [0, 1].map(|class| ["train", "test"].map(|part| count(&seen["classes"][class], part)));
    assert!(cats[0] + cats[1] == 10 && dogs[0] + dogs[1] == 5 && count(&seen, "test") == cats[1] + dogs[1], "{seen}");
    assert!(cats[0] > 0 && dogs[0] > 0 && count(&seen, "test") > 0, "{seen}");
    for line in [
        "pets: folder of images",
        &format!("images {} training, {} test", cats[0] + dogs[0], cats[1] + dogs[1]),
        "split held out for testing: a share of 0.2 (data.test)",
        "note not read: 1 file of other types (1 .txt)",
        "size 8×8×3",
        "files height 8 to 11, median 9",
        "files width 12 to 26, median 19",
        &format!("cat {} training {} test", cats[0], cats[1]),
        &format!("dog {} training {} test", dogs[0], dogs[1]),
        "skipped 1",
        "sheet contact-sheet.png",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line} is not in: {printed}");
    }
    assert!(
        printed.contains("99.png has an unknown format (supported: PNG, JPEG, WebP, GIF, BMP, TIFF or PNM)")
            && !printed.contains("readme"),
        "{printed}"
    );
    // Cells of 16 pixels, eight in a row, two apart: cats first, then dogs.
    let sheet = place.sheet("contact-sheet.png");
    assert_eq!(sheet.dimensions(), (8 * 18 - 2, 2 * 18 - 2));
    let cell = |number: u32| sheet.get_pixel(18 * (number % 8) + 8, 18 * (number / 8) + 8).0;
    let [cat, dog] = [cats[0] - 1, cats[0]].map(|number| cell(number as u32));
    assert!(cat[0] > 150 && cat[2] < 80 && dog[2] > 150 && dog[0] < 80, "{cat:?} {dog:?}");

    assert_eq!(seen["files"]["width"], json!({ "min": 12, "median": 19, "max": 26 }));
    assert_eq!(
        (&seen["skipped"][0]["reason"], &seen["sheet"]),
        (&json!("has an unknown format (supported: PNG, JPEG, WebP, GIF, BMP, TIFF or PNM)"), &json!("other.png"))
    );
    assert_eq!(place.sheet("other.png"), sheet);
    let again = place.inspect("pets --set data.size=8 --set data.test=0.2");
    assert_eq!(
        (again["checksum"].as_str().unwrap().split('-').next(), &again["checksum"]),
        (Some(format!("{}x8x8x3", cats[0] + dogs[0]).as_str()), &seen["checksum"])
    );
}

#[test]
fn images_of_several_sizes_are_listed_and_one_is_given() {
    let place = Place::new();
    place.put_pets();
    let seen = place.inspect("pets");
    assert_eq!((&seen["height"], &seen["suggested_size"], &seen["held_out"]), (&json!(8), &json!(8), &json!(true)));
    let sizes = seen["sizes"].as_array().unwrap();
    assert_eq!(sizes.iter().map(|size| size["count"].as_u64().unwrap()).sum::<u64>(), 15);
    assert_eq!((sizes.len(), &sizes[0]), (15, &json!({ "height": 8, "width": 12, "count": 1 })));
    let printed = place.done("data inspect pets");
    assert!(printed.contains("several sizes: train with --size 8"), "{printed}");
    assert!(printed.contains("8×12") && printed.contains("5 others"), "{printed}");
    assert_eq!(place.inspect("pets --size 12")["suggested_size"], Value::Null);
    let train = "train vae --data pets --hidden 4 --latent-dim 2 --batch-size 5 --device cpu --steps 1";
    place.refused(train, &["the images have 15 sizes, such as 8×12 and ", "use --size 8"]);
    place.done(&format!("{train} --size 8 --out sized"));
}

#[test]
fn what_is_no_file_is_skipped() {
    let place = Place::new();
    place.put_pets();
    fs::create_dir(place.path("pets/cat/folder.png")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        let pipe = std::process::Command::new("mkfifo").arg(place.path("pets/cat/pipe.png")).status().unwrap();
        assert!(pipe.success());
        symlink("/dev/zero", place.path("pets/cat/zero.png")).unwrap();
        symlink("nowhere", place.path("pets/cat/link.png")).unwrap();
        let seen = place.inspect("pets --size 8");
        let skipped: Vec<&str> =
            seen["skipped"].as_array().unwrap().iter().map(|skipped| skipped["reason"].as_str().unwrap()).collect();
        let special = "cannot be read (it is a pipe, a device or a socket, not a file)";
        assert_eq!(skipped, ["cannot be read (no such file)", special, special]);
    }
}

#[test]
fn transparent_pixels_are_measured_over_the_background() {
    let place = Place::new();
    for number in 0..4 {
        let clear = RgbaImage::from_pixel(4, 4, Rgba([255, 0, 0, 0]));
        place.put_picture(&format!("clear/{number}.png"), clear, ImageFormat::Png);
    }
    let pixels = |settings: &str| place.inspect(&format!("clear {settings}"))["pixels"].clone();
    assert_eq!(pixels(""), json!({ "min": 255, "max": 255, "mean": 1.0, "variance": 0.0 }));
    assert_eq!(pixels("--set data.background=000000")["max"], 0);
    let half = pixels("--set data.background=ff0000");
    assert!((half["mean"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12, "{half}");
    assert!((half["variance"].as_f64().unwrap() - 2.0 / 9.0).abs() < 1e-12, "{half}");
}

#[test]
fn a_model_trains_and_resumes_on_colour_images() {
    let place = Place::new();
    place.put_pets();
    place.put("pets/cat/zz.png", b"");
    let train = "train vae --data pets --set data.size=8 --hidden 4 --latent-dim 2 --batch-size 5 --device cpu";
    let output = place.frit(&format!("{train} --epochs 1 --out run"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("left out: ") && stderr(&output).contains("zz.png is empty"));
    assert!(stderr(&output).contains("training vae on 1"), "{}", stderr(&output));
    place.done("resume run --epochs 2");
    place.done("sample run -n 4 --device cpu --out drawn.png");
    // Two by two images of twice eight pixels.
    assert_eq!(place.sheet("drawn.png").dimensions(), (34, 34));
    let config: toml::Table = fs::read_to_string(place.path("run/config.toml")).unwrap().parse().unwrap();
    assert_eq!((config["data"]["size"].as_integer(), config["data"]["fit"].as_str()), (Some(8), Some("crop")));
    // One pixel of one image is other data.
    let list: Value = serde_json::from_str(&fs::read_to_string(place.path("run/images.json")).unwrap()).unwrap();
    let trained = format!("pets/{}", list["train"][0]["path"].as_str().unwrap());
    place.put_picture(&trained, RgbImage::from_pixel(12, 8, Rgb([200, 20, 21])), ImageFormat::Png);
    place.refused("resume run --epochs 3", &["the data changed since training: 1 image added, 1 missing"]);
    place.done("train vae --data shapes --hidden 4 --steps 1 --device cpu --out shapes");
}

#[test]
fn unreadable_data_is_refused() {
    let place = Place::new();
    place.put_pets();
    for number in 0..11 {
        place.put(&format!("damaged/a/{number:02}.png"), b"\x89PNG\r\n\x1a\n");
        let picture = RgbImage::from_pixel(4, 4, Rgb([number; 3]));
        place.put_picture(&format!("damaged/b/{number:02}.png"), picture, ImageFormat::Png);
    }
    place.put("text.npy", b"1 2 3");
    place.put("wrong.npy", npy("<f4", "1, 1, 2", &[2.0f32, 0.0].map(f32::to_le_bytes).concat()));
    for (line, words) in [
        ("nosuch", &["no file or folder 'nosuch'", "shapes"][..]),
        ("text.npy", &["'text.npy' has an unknown file format"]),
        ("wrong.npy", &["wrong.npy holds 2", "scale floats to 0 to 1"]),
        ("runs", &["no file or folder 'runs'"]),
        ("damaged", &["11 of 22 images in damaged", "a/00.png is cut short", "data.unreadable=11"]),
        ("shapes --set data.channels=2", &["data.channels must be", "1 (grey)", "got 2"]),
        ("shapes --set data.size=5000", &["data.size must be at most 4096", "got 5000"]),
        ("shapes --set data.fit=squeeze", &["squeeze", "crop", "pad"]),
        ("shapes --set data.background=red", &["red", "ffffff"]),
        ("pets --set data.test=1", &["data.test must be above 0", "got 1"]),
        ("shapes --set data.sizes=3", &["no setting data.sizes", "data.size"]),
        ("shapes --set train.epochs=3", &["invalid value 'train.epochs=3' for --set", "a setting of [data]"]),
        ("shapes --out nosuch/a.png", &["nosuch/a.png", "folder does not exist"]),
    ] {
        place.refused(&format!("data inspect {line}"), words);
    }
    let seen = place.inspect("damaged --set data.unreadable=11");
    assert_eq!((&seen["train"], seen["skipped"].as_array().unwrap().len()), (&json!(10), 11));
}

#[test]
fn two_sides_are_inspected_and_refused_where_one_is_needed() {
    let place = Place::new();
    for number in 0..12u8 {
        for (folder, shade) in [("trainA", 0), ("trainB", 100), ("both", 200)] {
            let picture = RgbImage::from_pixel(8, 4, Rgb([shade + number, 0, 0]));
            let folder = if folder == "both" { "halves".into() } else { format!("styles/{folder}") };
            place.put_picture(&format!("{folder}/{number:02}.png"), picture, ImageFormat::Png);
        }
    }
    let seen = place.inspect("styles");
    let names = |seen: &Value| [&seen["sides"][0]["name"], &seen["sides"][1]["name"]].map(Value::clone);
    assert_eq!((&seen["kind"], names(&seen)), (&json!("two sets of images"), [json!("A"), json!("B")]));
    assert!((0..2).all(|side| seen["sides"][side]["test"].as_u64() > Some(0)), "{seen}");
    // A row of A beside one of B: twice the width, at twice its size.
    let sheet = place.sheet("contact-sheet.png");
    assert!(sheet.pixels().any(|pixel| pixel.0[0] < 12) && sheet.pixels().any(|pixel| pixel.0[0] > 99));
    let seen = place.inspect("styles/trainA --data-b styles/trainB --pairs name --out pairs.png");
    assert_eq!((&seen["kind"], &seen["channels"]), (&json!("pairs of images"), &json!(6)));
    assert_eq!(seen["train"].as_u64().unwrap() + seen["test"].as_u64().unwrap(), 12);
    let printed = place.done("data inspect halves --pairs split");
    assert!(printed.contains("size       4×4×3 and 4×4×3") && printed.contains("a side has no classes"), "{printed}");
    for (line, words) in [
        (
            "train vae --data styles",
            &["data.source has two sets of images, but the model, of the family vae, takes one"][..],
        ),
        ("train vae --data data --data-b styles", &["data.size"]),
        ("train vae --data data --pairs name", &["data.pairs = name needs a second set of images"]),
        ("train vae --data data --set data.pairs=both", &["both", "none, name, split"]),
        ("train vae --data halves --pairs split --data-b data", &["data.b must be empty with data.pairs = split"]),
        ("train vae --data styles --set data.shard=3", &["need data.shard = 0 (got 3)"]),
        ("compare data data --size 8 --data styles --device cpu", &["two sides of images"]),
    ] {
        place.refused(line, words);
    }
    assert!(place.done("compare styles/trainA styles --size 8 --device cpu").contains("12 and 24"));
}

#[test]
fn damaged_data_is_refused() {
    let (place, train) = (Place::new(), "train vae --data data --hidden 16 --latent-dim 3 --batch-size 32 --out run");
    let [images, labels] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
    let [sound, sound_labels] = [images, labels].map(|name| fs::read(place.path("data").join(name)).unwrap());
    let (mut announced, mut fewer, mut wider) =
        (sound.clone(), sound_labels[..sound_labels.len() - 1].to_vec(), sound.clone());
    announced[7] -= 1;
    fewer[7] -= 1;
    // 300 images of 6 by 6 as 150 of 6 by 12.
    (wider[6], wider[7], wider[15]) = (0, 150, 12);
    for (name, bytes, words) in [
        (images, &sound[..900], &[images, "truncated"][..]),
        (images, &sound[..10], &[images, "truncated"]),
        (images, &announced, &[images, "more than"]),
        (images, &sound_labels, &[images, "holds labels"]),
        (images, &wider, &["150 images", "300 labels"]),
        (labels, &sound, &[labels, "holds images"]),
        (labels, &fewer, &["300 images", "299 labels"]),
        (labels, b"\x89PNG\r\n\x1a\n", &[labels, "not an IDX file"]),
        ("t10k-images-idx3-ubyte", &wider, &["150 images", "40 labels"]),
    ] {
        fs::write(place.path("data").join(name), bytes).unwrap();
        refusal(&place.frit(&format!("{train} --device cpu")), words);
        place.put_data("data", stripes);
    }
    fs::remove_file(place.path("data").join(labels)).unwrap();
    refusal(&place.frit(train), &["has no file", labels]);
    assert!(!place.path("run").exists(), "no run is made for data that cannot be read");
}
