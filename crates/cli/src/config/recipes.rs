//! The recipes that come with frit: configurations as files, each with a comment that says what it is.

use crate::io::error::{Hint, Result, bail};
use crate::io::files;
use crate::io::guess::did_you_mean;
use image::ImageFormat;
use std::borrow::Cow;
use std::path::{Path, is_separator};

macro_rules! recipes {
    ($($name:literal),+) => { &[$(($name, include_str!(concat!("../../recipes/", $name, ".toml")))),+] };
}

/// Names and texts.
pub static RECIPES: &[(&str, &str)] = recipes![
    "vae",
    "conv-vae",
    "pool-vae",
    "cvae",
    "ae",
    "gan",
    "cgan",
    "dcgan",
    "dcgan-small",
    "wgan-gp",
    "points-gan",
    "flow-matching",
    "points-flow",
    "points-realnvp",
    "vqvae",
    "fsq-vae",
    "prior",
    "pixelcnn",
    "wavenet",
    "realnvp",
    "cyclegan",
    "paired",
    "restoration",
    "classifier"
];

/// The text of a recipe.
pub fn text(name: &str) -> Option<&'static str> {
    RECIPES.iter().find(|(found, _)| *found == name).map(|(_, text)| *text)
}

/// The text of a recipe by its name, or of a file.
///
/// # Errors
/// There is no such recipe or file, or the file is an image or another one that is no text.
pub(super) fn read(recipe: &str) -> Result<Cow<'static, str>> {
    if let Some(text) = text(recipe) {
        return Ok(text.into());
    }
    let path = Path::new(recipe);
    if files::exists(path)? {
        if ImageFormat::from_path(path).is_ok() && !path.is_dir() {
            bail!(Setting, hint: Hint::Folder, "'{recipe}' is an image, not a recipe");
        }
        return Ok(files::read_text(path)?.into());
    }
    if path.extension().is_some() || path.components().count() > 1 || recipe.ends_with(is_separator) {
        bail!(Setting, "no file or folder '{recipe}'");
    }
    let guess = did_you_mean(recipe, RECIPES.iter().map(|(name, _)| *name));
    bail!(Setting, "no recipe '{recipe}'{guess} (available: {}, or the path of a .toml file)", names());
}

/// All names, for a sentence.
pub fn names() -> String {
    RECIPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The description of a recipe, in one line: the comment at its start.
pub fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

/// The first sentence or clause of the description: what fits a line.
pub fn title(text: &str) -> String {
    let about = about(text);
    let ends = [".", ":", ",", ";", " and "];
    let end = ends.into_iter().filter_map(|end| about.find(end)).min().unwrap_or(about.len());
    about[..end].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_says_what_it_is() {
        for (name, text) in RECIPES {
            let about = about(text);
            assert!(about.ends_with('.') && about.len() > 40, "{name}: {about}");
            let title = title(text);
            assert!((10..=66).contains(&title.chars().count()), "{name}: {title}");
        }
        assert_eq!(about("# One\n# two.\nfamily = 1\n# not this"), "One two.");
    }
}
