//! Samples by seeds, with truncated latents, and as files by class.

mod place;

use frit::config::data::DataOptions;
use frit::data::{DataSet, Split};
use place::{Place, stderr};
use std::fs;
use std::path::Path;

const TRAIN: &str = "--data data --latent-dim 3 --batch-size 32 --epochs 2 --device cpu -q";

fn trained(recipes: &[&str]) -> Place {
    let place = Place::new();
    for recipe in recipes {
        place.done(&format!("train {recipe} --hidden 16 {TRAIN} --out {recipe}"));
    }
    place
}

fn pixels(path: &Path) -> Vec<u8> {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_luma8().into_raw()
}

impl Place {
    /// The image files that a command writes to a folder, by name.
    fn drawn(&self, line: &str, folder: &str) -> Vec<(String, Vec<u8>)> {
        self.done(&format!("{line} --device cpu --out p.png --files {folder}"));
        let mut files: Vec<_> = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), pixels(path))).collect()
    }
}

/// The largest difference of two images. Sums over other batches may be rounded otherwise.
fn apart(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn an_image_of_a_list_is_the_first_of_its_seed() {
    let place = trained(&["vae", "cgan"]);
    for (run, class) in [("vae", ""), ("cgan", ""), ("cgan", "--class 7")] {
        let name = format!("{run}{}", class.len());
        let listed = place.drawn(&format!("sample {run} --seeds 3,70000-70002,0 {class}"), &format!("all-{name}"));
        let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["00000.png", "00003.png", "70000.png", "70001.png", "70002.png"]);
        for (seed, (_, image)) in [0, 3, 70_000, 70_001, 70_002].into_iter().zip(&listed) {
            let alone = place.drawn(&format!("sample {run} -n 5 --seed {seed} {class}"), &format!("{seed}-{name}"));
            assert!(apart(&alone[0].1, image) <= 1, "{run} {class}: seed {seed}");
            assert!(listed.iter().filter(|(_, other)| apart(&alone[0].1, other) <= 1).count() == 1, "{run}: {seed}");
        }
    }
    // The grid has a caption below each image, in the order of the list, which is printed too.
    let output = place.frit("sample vae --seeds 5,3,9 --device cpu");
    assert!(stderr(&output).ends_with("seeds, as in the image:\n5 3\n9\n"), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "vae/sample.png\n");
    let grid = image::open(place.path("vae/sample.png")).unwrap();
    assert_eq!((grid.width(), grid.height()), (2 * 12 + 2, 2 * (12 + 14) + 2));
    for (line, words) in [
        ("sample vae --seeds 3-1", &["3-1", "--seeds", "3 is larger than 1"][..]),
        ("sample vae --seeds a", &["--seeds", "such as 0-35"]),
        ("sample vae --seeds 1 -n 3", &["--seeds", "cannot be used with"]),
        ("sample vae --seeds 1 --seed 3", &["--seeds", "cannot be used with"]),
    ] {
        let output = place.frit(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(words.iter().all(|word| stderr(&output).contains(word)), "{line}: {}", stderr(&output));
    }
}

#[test]
fn truncation_narrows_the_samples() {
    let place = trained(&["vae", "cgan"]);
    let spread = |images: &[(String, Vec<u8>)]| -> f64 {
        let pairs = images.iter().flat_map(|(_, a)| images.iter().map(move |(_, b)| (a, b)));
        pairs.flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| f64::from(a.abs_diff(*b))).sum()
    };
    for run in ["vae", "cgan"] {
        // Of one class, so that only latents differ.
        let class = if run == "cgan" { "--class 3" } else { "" };
        let draw = |options: &str, folder: &str| {
            place.drawn(&format!("sample {run} -n 40 {class} {options}"), &format!("{run}-{folder}"))
        };
        let all = draw("", "all");
        let far = draw("--trunc 9", "far");
        assert!(all.iter().zip(&far).all(|(a, b)| apart(&a.1, &b.1) <= 1), "{run}: no latent is beyond 9");
        let (near, nearest) = (draw("--trunc 0.5", "near"), draw("--trunc 0.01", "nearest"));
        assert!(spread(&near) < 0.8 * spread(&all), "{run}: {} of {}", spread(&near), spread(&all));
        assert!(spread(&nearest) < 0.2 * spread(&near), "{run}: {} of {}", spread(&nearest), spread(&near));
        let seeds = place.drawn(&format!("sample {run} --seeds 0-3 {class} --trunc 0.5"), &format!("{run}-seeds"));
        assert!(apart(&seeds[0].1, &near[0].1) <= 1, "{run}: the seed's first image, truncated");
    }
    // Classes in turn, as without truncation.
    let (all, far) = (place.drawn("sample cgan -n 20", "turn"), place.drawn("sample cgan -n 20 --trunc 9", "far"));
    assert!(all.iter().zip(&far).all(|(a, b)| apart(&a.1, &b.1) <= 1));
    for value in ["0", "-1", "inf", "nan"] {
        for command in ["sample", "interpolate"] {
            let words = ["for --trunc: expected a positive, finite number"];
            place.refused(&format!("{command} vae --trunc {value} --device cpu"), &words);
        }
    }
}

#[test]
fn files_by_class_are_a_data_set() {
    let place = trained(&["vae", "cgan"]);
    place.done("sample cgan -n 30 --device cpu --files flat");
    place.done("sample cgan -n 30 --device cpu --files sorted --by-class");
    let source = place.path("sorted").display().to_string();
    let data = DataSet::load(&DataOptions { source, ..DataOptions::default() });
    let data = data.unwrap();
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    assert_eq!((data.classes.clone(), data.train.count + data.test.count), (names, 30));
    // Each class has its three images, as in the folder without classes.
    let images =
        |split: &Split| (0..split.count).map(|i| (split.labels[i], split.image(i).to_vec())).collect::<Vec<_>>();
    let mut found = [images(&data.train), images(&data.test)].concat();
    let mut expected: Vec<(u8, Vec<u8>)> =
        (0..30u8).map(|number| (number % 10, pixels(&place.path(&format!("flat/{number:05}.png"))))).collect();
    found.sort();
    expected.sort();
    assert!(found == expected);
    place.done(
        "train cgan --hidden 8 --data sorted --latent-dim 3 --batch-size 4 --epochs 1 --device cpu -q --out again",
    );

    place.done("sample cgan -n 4 --class 7 --device cpu --files seven --by-class");
    let folders: Vec<_> = fs::read_dir(place.path("seven")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(folders, ["7"]);
    assert_eq!(fs::read_dir(place.path("seven/7")).unwrap().count(), 4);
    for (line, words) in [
        ("sample cgan -n 4 --files sorted --by-class", &["sorted/0 already contains images", "empty folder"][..]),
        ("sample cgan -n 4 --files flat --by-class", &["flat already contains images", "empty folder"]),
        ("sample vae -n 4 --files new --by-class", &["vae is unconditional"]),
    ] {
        place.refused(&format!("{line} --device cpu"), words);
    }
    assert_eq!(place.frit("sample cgan --by-class").status.code(), Some(2));
}
