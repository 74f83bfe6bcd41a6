//! The data of a run after it has changed: the test images stay those of the run.

mod place;

use place::{Place, refusal, stderr};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const TRAIN: &str = "train vae --hidden 8 --latent-dim 2 --batch-size 8 --device cpu -q";

impl Place {
    /// An image of a number, and no other.
    fn put_numbered(&self, name: &str, number: usize) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x: u32, y: u32| image::Luma([(number * 37 + (x * 6 + y) as usize * (number + 3)) as u8]);
        image::GrayImage::from_fn(6, 6, pixel).save(path).unwrap();
    }

    /// Two classes of 30 images, from `first` on.
    fn put_classes(&self, folder: &str, first: usize) {
        for number in first..first + 60 {
            self.put_numbered(&format!("{folder}/{}/{number:03}.png", ["a", "b"][number % 2]), number);
        }
    }

    fn json_of(&self, file: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(file)).unwrap()).unwrap()
    }

    /// Evaluates a run: the figures, and what is printed on stderr.
    fn evaluated(&self, line: &str) -> (Value, String) {
        let output = self.frit(&format!("eval {line} --device cpu --json"));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (serde_json::from_slice(&output.stdout).unwrap(), stderr(&output))
    }

    /// The file of an image in the list of a run.
    fn listed(&self, folder: &str, part: &str, number: usize) -> PathBuf {
        let list = self.json_of("run/images.json");
        self.path(folder).join(list[part][number]["path"].as_str().unwrap())
    }
}

fn trained() -> Place {
    let place = Place::new();
    place.put_classes("pets", 1);
    place.done(&format!("{TRAIN} --data pets --epochs 2 --out run"));
    place
}

#[test]
fn added_images_change_no_evaluation() {
    let place = trained();
    let list = place.json_of("run/images.json");
    let count = |part: &str| list[part].as_array().unwrap().len();
    assert!(count("train") + count("test") == 60 && (2..=12).contains(&count("test")), "{list}");
    let (before, printed) = place.evaluated("run");
    assert!(!printed.contains("warning"), "{printed}");
    assert_eq!((&before["same_data"], &before["images"]), (&Value::from(true), &Value::from(count("test"))));

    // Before all others by name, and a copy of an image that was trained on.
    place.put_numbered("pets/a/000.png", 200);
    fs::copy(place.listed("pets", "train", 5), place.path("pets/b/000.png")).unwrap();
    let (after, printed) = place.evaluated("run");
    assert!(printed.contains("warning: the data changed since training: 2 images added"), "{printed}");
    for key in ["recon", "kl", "mse", "images", "data_checksum", "same_data"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(place.json_of("run/evaluation.json")["data_changes"], after["data_changes"]);
    for command in
        ["reconstruct run -n 2 --out p.png", "encode run --out c.npy", "interpolate run --test-images --rows 1"]
    {
        let output = place.frit(&format!("{command} --device cpu"));
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains("2 images added"), "{command}: {}", stderr(&output));
    }
    place.refused("resume run --epochs 3", &["the data changed since training: 2 images added", "started with"]);
    fs::remove_file(place.path("pets/a/000.png")).unwrap();
    fs::remove_file(place.path("pets/b/000.png")).unwrap();
    place.done("resume run --epochs 3");
}

#[test]
fn other_test_images_leave_the_evaluation_of_the_run() {
    let place = trained();
    place.evaluated("run");
    let own = place.json_of("run/evaluation.json");
    let gone = place.listed("pets", "test", 0);
    fs::rename(&gone, place.path("kept.png")).unwrap();
    let (figures, printed) = place.evaluated("run");
    assert!(printed.contains("1 image missing (1 of the test set)"), "{printed}");
    assert!(
        printed.contains("the test images differ from those of the run; saved to run/evaluation-other.json"),
        "{printed}"
    );
    assert_eq!(place.json_of("run/evaluation.json"), own);
    assert_eq!(place.json_of("run/evaluation-other.json")["recon"], figures["recon"]);
    fs::rename(place.path("kept.png"), &gone).unwrap();

    // The same images in another folder are the run's data.
    fs::rename(place.path("pets"), place.path("moved")).unwrap();
    let (figures, printed) = place.evaluated("run --data moved");
    assert!(!printed.contains("warning") && figures["recon"] == own["recon"], "{printed}");

    // Other data has its own test images, without those that the run was trained on.
    place.put_classes("others/train", 70);
    place.put_classes("others/test", 140);
    let (others, printed) = place.evaluated("run --data others");
    assert!(printed.contains("others is not the data that the run was trained on"), "{printed}");
    assert_eq!((&others["same_data"], &others["images"]), (&Value::from(false), &Value::from(60)));
    let kept = fs::read(place.path("run/evaluation.json")).unwrap();
    for number in 0..20 {
        let path = place.path(&format!("others/test/a/trained-{number}.png"));
        fs::copy(place.listed("moved", "train", number), path).unwrap();
    }
    let (with_trained, _) = place.evaluated("run --data others");
    for key in ["recon", "images"] {
        assert_eq!(with_trained[key], others[key], "{key}");
    }
    assert_eq!(fs::read(place.path("run/evaluation.json")).unwrap(), kept);
    let output = place.frit("eval run --device cpu");
    refusal(&output, &["no file or folder", "pets"]);
}

/// A run of version 0.1.0 has no list: images are held out by their position, and a resumed run gets a list.
#[test]
fn runs_without_a_list_keep_their_split() {
    let place = trained();
    let list = place.path("run/images.json");
    let by_content = place.json_of("run/images.json");
    fs::remove_file(&list).unwrap();
    // Held out by content, as no run of version 0.1.0 is.
    let (figures, printed) = place.evaluated("run");
    assert!(printed.contains("the data changed since training; the run has no list of its images"), "{printed}");
    assert_eq!((&figures["images"], &figures["same_data"]), (&Value::from(6), &Value::from(false)));
    place.refused("resume run --epochs 3", &["no list of its images"]);
    fs::write(&list, by_content.to_string()).unwrap();
    place.done("resume run --epochs 3");
    assert_eq!(place.json_of("run/images.json"), by_content);
    fs::write(&list, "{}").unwrap();
    place.refused("eval run --device cpu", &["run/images.json is not a list of images"]);
}
