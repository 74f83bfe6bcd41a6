//! Reports: an HTML page of a run, complete in one file, a model card, and an event file for TensorBoard.

mod card;
mod charts;
mod evaluation;
mod live;
mod names;
mod page;
mod pictures;
pub mod runs;
mod scale;
mod sequences;
pub mod tensorboard;
mod thin;

pub use card::{CARD, card, write_card};
pub use live::LiveReport;

use crate::io::error::{Error, ErrorKind as Kind, Result};
use crate::io::files;
use crate::run::folder::Run;
use crate::run::metrics;
use page::Page;
use pictures::{Drawn, Png};
use sequences::Sequences;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The name of the page in a run folder.
pub const REPORT: &str = "report.html";

/// The page of a run, as HTML: curves, images, evaluation, environment and configuration, as far as the run has them.
///
/// # Errors
/// [`Run`](Kind::Run) if the folder holds no run, [`File`](Kind::File) if one of its files cannot be read.
pub fn render(run_path: &Path) -> Result<String> {
    let run = Run::open_to_read(run_path)?;
    let samples = pictures::samples(&run)?;
    let sample = |(drawn, path): &(Drawn, PathBuf)| Ok(Png::read(path)?.map(|png| (*drawn, png)));
    let samples = pictures::fitting(&samples).into_iter().filter_map(|chosen| sample(chosen).transpose());
    let page = Page {
        name: name(run_path),
        config: run.read_config()?,
        environment: object(&run_path.join("env.json"))?,
        metrics: metrics::read(run_path)?,
        evaluation: object(&run_path.join("evaluation.json"))?,
        samples: samples.collect::<Result<_>>()?,
        reals: Png::read(&run.reals())?,
        reconstructions: Png::read(&run_path.join("reconstructions.png"))?,
        interpolation: Png::read(&run_path.join("interpolation.png"))?,
        traversal: Png::read(&run_path.join("traversal.png"))?,
        sequences: Sequences::latest(&run)?,
    };
    Ok(page.html())
}

/// Saves the page as `report.html` in the run folder. Returns its path.
///
/// # Errors
/// Those of [`render`], and [`File`](Kind::File) if the page cannot be saved.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let run = folder.path();
/// std::fs::write(run.join("config.toml"), "family = \"vae\"")?;
/// let page = frit::report::write(run)?;
/// assert!(std::fs::read_to_string(page)?.contains("Variational autoencoder"));
/// # Ok(())
/// # }
/// ```
pub fn write(run_path: &Path) -> Result<PathBuf> {
    let path = run_path.join(REPORT);
    files::write(&path, render(run_path)?.as_bytes())?;
    Ok(path)
}

/// The name of a folder, also of `.`.
fn name(path: &Path) -> String {
    let path = files::absolute(path).unwrap_or_else(|| path.into());
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The object in a JSON file; an empty one without a file.
fn object(path: &Path) -> Result<Map<String, Value>> {
    let Some(bytes) = files::read_if_exists(path, files::TEXT)? else { return Ok(Map::new()) };
    let malformed = |error| format!("{} is not a JSON object ({error}); remove it", path.display());
    serde_json::from_slice(&bytes).map_err(|error| Error::new(Kind::File, malformed(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Cursor;
    use tempfile::TempDir;

    const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&";

    fn png() -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image::GrayImage::new(6, 4).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    /// A folder with a configuration, and the files given.
    fn run(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("samples")).unwrap();
        fs::write(folder.path().join("config.toml"), "family = \"vae\"\n[data]\nsource = \"a/digits\"\n").unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).unwrap());
        folder
    }

    #[test]
    fn a_whole_run_has_all_sections() {
        let metrics = concat!(
            "{\"step\":50,\"recon\":3.0}\n{\"step\":100,\"recon\":2.0}\n",
            "{\"epoch\":1,\"step\":100,\"train_recon\":2.5,\"test_recon\":2.25,\"images_per_second\":12345.6}\n",
            "{\"epoch\":2,\"step\":200,\"train_recon\":2.5,\"test_recon\":2.5,\"images_per_second\":12345.6}\n",
            "{\"epoch\":2,\"step\":200,\"monitor\":\"posterior_collapse\",\"seen\":\"nothing\",\"try\":\"vae.beta\"}\n",
            "{\"step\":250,\"rec",
        );
        let figures = concat!(
            "{\"neg_elbo\":105.5,\"iw_nll\":null,\"recall\":0.5,\"recall_floor\":0.75,",
            "\"class_counts\":{\"cat\":3,\"dog\":6}}"
        );
        let png = png();
        let folder = run(&[
            ("metrics.jsonl", metrics.as_bytes()),
            ("env.json", b"{\"executor\":\"a device\",\"adapter\":null,\"variants\":{}}"),
            ("evaluation.json", figures.as_bytes()),
            ("reals.png", &png),
            ("reconstructions.png", &png),
            ("samples/000001.png", &png),
            ("samples/000002.png", &png),
            ("samples/notes.txt", b"not a picture"),
        ]);
        let path = write(folder.path()).unwrap();
        let page = fs::read_to_string(path).unwrap();
        let parts = ["Variational autoencoder", "<li>digits</li>", "a device", "2 epochs, 200 steps", "12,346"];
        let more = [
            "best 2.250, epoch 1",
            "recall ↑</th>",
            "title=\"Negative log likelihood of the images given their latent codes.\"",
            "posterior collapse",
            "nothing; vae.beta.",
            "105.50",
            "(real images: 0.750)",
            "width:50.0%",
        ];
        for part in parts.iter().chain(&more) {
            assert!(page.contains(part), "{part} is not in the page");
        }
        assert_eq!(page.matches("data:image/png;base64,").count(), 4);
        assert_eq!(page.matches("<svg").count(), 4, "by step and by epoch");
        assert!(!page.contains("importance-weighted"), "null metrics are left out");
        assert!(page.contains("<th>executor</th>") && !page.contains("adapter") && !page.contains("variants"));
        // Nothing is fetched from anywhere.
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<link"));
    }

    #[test]
    fn a_run_without_metrics_has_a_page() {
        let page = render(run(&[]).path()).unwrap();
        assert!(page.contains("source = &quot;a/digits&quot;") && !page.contains("<svg") && !page.contains("<img"));
        let message = render(Path::new("nowhere")).unwrap_err().to_string();
        assert!(message.contains("nowhere is not a run folder"), "{message}");
        let message = render(run(&[("evaluation.json", b"[]")]).path()).unwrap_err().to_string();
        assert!(message.contains("evaluation.json is not a JSON object"), "{message}");
    }

    #[test]
    fn a_page_has_the_date_the_duration_and_the_command() {
        let line = |step: u64, time: &str, elapsed: f64| {
            format!("{{\"step\":{step},\"kl\":1,\"time\":\"2026-11-{time}Z\",\"elapsed_s\":{elapsed}}}\n")
        };
        let metrics = line(50, "28T22:59:10.123", 9.5) + &line(100, "29T01:00:00.000", 130.0);
        let environment = b"{\"command\":\"frit train vae\",\"system\":\"linux x86_64, 8 processors\"}";
        let folder = run(&[("metrics.jsonl", metrics.as_bytes()), ("env.json", environment)]);
        let page = render(folder.path()).unwrap();
        for part in ["<li>2026-11-28 22:59 UTC</li>", "<li>2 minutes of training</li>", "linux x86_64, 8 processors"] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(page.contains("<th>command</th><td>frit train vae</td>") && page.contains("class=\"by-time\""));
    }

    #[test]
    fn targets_are_those_of_the_built_in_data() {
        for (source, shown) in [("digits", true), ("photos", false)] {
            let config =
                format!("family = \"vae\"\n[data]\nsource = \"{source}\"\n[target]\nneg_elbo = [118.0, 123.0]\n");
            let folder = run(&[("config.toml", config.as_bytes())]);
            assert_eq!(render(folder.path()).unwrap().contains("118.0"), shown, "{source}");
        }
    }

    #[test]
    fn reconstructions_are_shown_once() {
        let png = png();
        for (family, count) in [("vae", 2), ("ae", 1)] {
            let config = format!("family = \"{family}\"\n");
            let files =
                [("config.toml", config.as_bytes()), ("samples/000001.png", &png), ("reconstructions.png", &png)];
            let page = render(run(&files).path()).unwrap();
            assert_eq!(page.matches("data:image/png;base64,").count(), count, "{family}");
        }
    }

    #[test]
    fn a_logarithmic_axis_has_a_label() {
        let lines = |last: f64| format!("{{\"step\":50,\"d_loss\":1}}\n{{\"step\":100,\"d_loss\":{last}}}\n");
        for (last, logarithmic) in [(5000.0, true), (500.0, false)] {
            let page = render(run(&[("metrics.jsonl", lines(last).as_bytes())]).path()).unwrap();
            assert_eq!(page.contains("<span class=\"unit\">logarithmic axis</span>"), logarithmic, "{last}");
        }
    }

    #[test]
    fn hostile_names_are_escaped() {
        let quoted = serde_json::to_string(HOSTILE).unwrap();
        let metrics = format!(
            "{{\"step\":1,\"epoch\":1,{quoted}:1,\"train_{0}:2,\"test_{0}:3}}\n\
             {{\"step\":1,\"monitor\":{quoted},\"seen\":{quoted},\"try\":{quoted}}}\n",
            &quoted[1..]
        );
        let object = format!("{{{quoted}:{quoted},\"class_counts\":{{{quoted}:1}},\"a\":[{quoted}]}}");
        let config = format!("family = {quoted}\n[data]\nsource = {quoted}\n");
        let folder = run(&[
            ("metrics.jsonl", metrics.as_bytes()),
            ("env.json", object.as_bytes()),
            ("evaluation.json", object.as_bytes()),
            ("config.toml", config.as_bytes()),
        ]);
        let page = render(folder.path()).unwrap();
        assert!(!page.contains("<img") && page.matches("</script>").count() == 1, "{page}");
        assert!(page.matches("&lt;img src=x onerror=alert(1)&gt;&quot;").count() > 10);
        if cfg!(unix) {
            let hostile = folder.path().join("<img src=x>");
            fs::create_dir(&hostile).unwrap();
            fs::write(hostile.join("config.toml"), "family = 3").unwrap();
            assert!(render(&hostile).unwrap().contains("<p class=\"run\">&lt;img src=x&gt;</p>"));
        }
    }
}
