//! A model card: the README.md of a run folder, with front matter that hubs of models read.

use crate::eval::metrics::{compared, metric, name as name_of, position};
use crate::io::error::Result;
use crate::io::files;
use crate::report::evaluation::{ORIGIN_KEYS, Origin};
use crate::report::names::{family, number};
use crate::report::{name, object, pictures};
use crate::run::folder::Run;
use crate::run::metrics;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The name of a card in a run folder.
pub const CARD: &str = "README.md";

/// Images of a run folder that a card shows, with their captions.
const PICTURES: [(&str, &str); 5] = [
    ("sample.png", "Samples"),
    ("reconstructions.png", "Test images above their reconstructions"),
    ("interpolation.png", "Interpolations"),
    ("translations.png", "Translations"),
    ("reals.png", "Training images"),
];

/// The model card of a run as Markdown: figures of `evaluation.json`, images as far as the folder has them, and the
/// commands that load the model.
///
/// # Errors
/// [`Run`](crate::ErrorKind::Run) if the folder holds no run, [`File`](crate::ErrorKind::File) if one of its files
/// cannot be read.
pub fn card(run_path: &Path) -> Result<String> {
    let run = Run::open_to_read(run_path)?;
    let config: toml::Table = run.read_config()?.parse().unwrap_or_default();
    let text = |value: Option<&toml::Value>| value.and_then(toml::Value::as_str).unwrap_or_default().to_string();
    let (of_family, name) = (text(config.get("family")), name(run_path));
    let data = text(config.get("data").and_then(|data| data.get("source")));
    let undone = text(config.get("paired").and_then(|paired| paired.get("corrupt")));
    // The last part of a path.
    let data = data.rsplit(['/', '\\']).next().unwrap_or(&data);
    let steps = metrics::read(run_path)?.steps;
    let figures = object(&run_path.join("evaluation.json"))?;
    let front = front_matter(&of_family, data, &name, &figures);
    let title = format!("# {}\n\n{}", plain(&name), plain(family(&of_family)));
    let about = format!("{title}, trained with frit on {} for {} steps.\n", plain(data), number(steps as f64));
    let shown = [pictures(&run)?, evaluation(&figures, steps), usage(&of_family, &name, &undone)];
    Ok([vec![front, about], shown.into_iter().filter(|part| !part.is_empty()).collect()].concat().join("\n"))
}

/// Saves the card as `README.md` in the run folder. Returns its path.
///
/// # Errors
/// Those of [`card`], and [`File`](crate::ErrorKind::File) if the card cannot be saved.
pub fn write_card(run_path: &Path) -> Result<PathBuf> {
    let path = run_path.join(CARD);
    files::write(&path, card(run_path)?.as_bytes())?;
    Ok(path)
}

/// The figures of an evaluation that are single numbers, in the order of the table of metrics.
fn numbers(figures: &Map<String, Value>) -> Vec<(&str, f64)> {
    let kept = figures.iter().filter(|(key, value)| !ORIGIN_KEYS.contains(&key.as_str()) && compared(value).is_none());
    let mut found: Vec<_> = kept.filter_map(|(key, value)| Some((key.as_str(), value.as_f64()?))).collect();
    found.sort_by_key(|(key, _)| position(key));
    found
}

/// YAML. Every text is a JSON string, which YAML reads as it is.
fn front_matter(family: &str, data: &str, name: &str, figures: &Map<String, Value>) -> String {
    let task = match family {
        "classifier" => "image-classification",
        "cyclegan" | "paired" => "image-to-image",
        "wavenet" => "other",
        _ => "unconditional-image-generation",
    };
    let mut lines = vec!["---".to_string(), "library_name: frit".into(), format!("pipeline_tag: {task}")];
    lines.push(format!("tags: {}", json!(["frit", "webgpu", family])));
    let metrics = numbers(figures);
    if !metrics.is_empty() {
        lines.push(format!("model-index:\n- name: {}\n  results:\n  - task:\n      type: {task}", json!(name)));
        let data = json!(data);
        lines.push(format!("    dataset:\n      type: {data}\n      name: {data}\n    metrics:"));
        for (key, value) in metrics {
            lines.push(format!(
                "    - type: {}\n      name: {}\n      value: {value}",
                json!(key),
                json!(name_of(key))
            ));
        }
    }
    lines.push("---\n".into());
    lines.join("\n")
}

/// The latest samples of training, and the images that commands have put into the folder.
fn pictures(run: &Run) -> Result<String> {
    let latest = pictures::samples(run)?.pop();
    let latest = latest.and_then(|(_, path)| Some(format!("samples/{}", path.file_name()?.to_str()?)));
    let mut shown = Vec::new();
    for (file, caption) in PICTURES {
        let file = match (files::exists(&run.path.join(file))?, &latest) {
            (true, _) => file.to_string(),
            (false, Some(latest)) if file == "sample.png" => latest.clone(),
            (false, _) => continue,
        };
        shown.push(format!("![{caption}]({file})\n"));
    }
    Ok(if shown.is_empty() { String::new() } else { format!("## Images\n\n{}", shown.join("\n")) })
}

fn evaluation(figures: &Map<String, Value>, steps: u64) -> String {
    let numbers = numbers(figures);
    if numbers.is_empty() {
        return String::new();
    }
    let Origin { weights, since } = Origin::of(figures, steps);
    let row = |(key, value): (&str, f64)| {
        let unit = metric(key).map_or("", |metric| metric.unit);
        format!("| {} | {} {unit} |", plain(&name_of(key)), number(value)).replace("  |", " |")
    };
    let rows: Vec<String> = numbers.into_iter().map(row).collect();
    let since = since.map(|since| format!(" {since}")).unwrap_or_default();
    format!("## Evaluation\n\n{weights}{since}\n\n| metric | value |\n| --- | --- |\n{}\n", rows.join("\n"))
}

/// Commands that load the model, in a folder beside that of the run. `undone` is the corruption that it undoes, if any.
fn usage(family: &str, name: &str, undone: &str) -> String {
    let run = quoted(name);
    let draw = match family {
        "classifier" => format!("frit eval {run}"),
        "ae" | "vqvae" => format!("frit reconstruct {run}"),
        "paired" if undone.starts_with("mask") => format!("frit restore {run} --images IMAGES --mask MASK.png"),
        "paired" if !["", "none"].contains(&undone) => format!("frit restore {run} --images IMAGES"),
        "cyclegan" | "paired" => format!("frit translate {run} --images IMAGES"),
        _ => format!("frit sample {run} -n 64"),
    };
    let latest = quoted(&format!("{name}/checkpoints/latest.safetensors"));
    let mut parts = vec![
        format!("## Use\n\nWith frit, from the folder that holds this one:\n\n```sh\n{draw}\nfrit resume {run}\n```\n"),
        "In PyTorch, the checkpoint has PyTorch's names and layouts; `scripts/open_in_torch.py` of frit builds the \
         module:\n"
            .into(),
        format!("```sh\nscripts/open_in_torch.py {latest} INPUTS.npy OUTPUTS.safetensors\n```\n"),
    ];
    if !["prior", "pixelcnn", "wavenet", "realnvp"].contains(&family) {
        parts.push(format!(
            "With onnxruntime:\n\n```sh\nfrit export {run} --onnx model.onnx\npython -c \"import onnxruntime; \
             print(onnxruntime.InferenceSession('model.onnx').get_inputs())\"\n```\n"
        ));
    }
    parts.join("\n")
}

/// Text as Markdown that shows it as it is.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '!' | '>' | '~' | '$' => plain.extend(['\\', c]),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

/// A word of a shell, on one line and without the end of a block of code.
fn quoted(word: &str) -> String {
    let word: String = word.chars().filter(|c| !c.is_control()).collect();
    let word = word.replace("```", "");
    shlex::try_quote(&word).map_or_else(|_| "RUN".into(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_card_has_figures_images_and_commands() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a `run` <b>");
        fs::create_dir_all(run.join("samples")).unwrap();
        fs::write(run.join("config.toml"), "family = \"vae\"\n[data]\nsource = \"a/<b>_\"\n").unwrap();
        fs::write(run.join("evaluation.json"), "{\"neg_elbo\": 105.5, \"checkpoint\": \"latest\", \"step\": 9}")
            .unwrap();
        fs::write(run.join("reals.png"), "x").unwrap();
        let card = card(&run).unwrap();
        assert!(card.starts_with("---\nlibrary_name: frit\n"), "{card}");
        for part in [
            "# a \\`run\\` &lt;b\\>",
            "on &lt;b\\>\\_ for 0 steps",
            "value: 105.5",
            "![Training images](reals.png)",
            "frit sample 'a `run` <b>' -n 64",
            "| −ELBO | 105.50 nats/image |",
        ] {
            assert!(card.contains(part), "{part} is not in\n{card}");
        }
        assert!(!card.contains("interpolation.png"));
        let path = write_card(&run).unwrap();
        assert!(path.ends_with("README.md") && fs::read_to_string(path).unwrap() == card);
    }
}
