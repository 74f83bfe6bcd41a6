//! Images as files of a folder, which is then a data set.

use crate::data::DataSet;
use crate::eval::draw::Images;
use crate::eval::latents::require_classes;
use crate::io::error::{Result, bail, ensure};
use crate::io::files;
use crate::io::images::{single, write_png};
use crate::run::session::Session;
use std::path::{Component, Path, PathBuf};

/// A folder to write images to, each as a PNG file of its size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageFiles {
    folder: PathBuf,
    /// The names of the sub-folders by class, if there is one for each.
    classes: Option<Vec<String>>,
}

impl ImageFiles {
    /// A folder for images of a session; `by_class` with a sub-folder for each class.
    ///
    /// # Errors
    /// [`ErrorKind::Model`](crate::ErrorKind::Model) for an unconditional model by class,
    /// [`ErrorKind::File`](crate::ErrorKind::File) if a class cannot be the name of a folder, or the folder already
    /// holds numbered images, with which these would mix.
    pub fn prepare(session: &Session, folder: &Path, by_class: bool) -> Result<Self> {
        if by_class {
            require_classes(session)?;
        }
        let DataSet { classes, .. } = &*session.data;
        let files = Self { folder: folder.into(), classes: by_class.then(|| classes.clone()) };
        for name in files.classes.iter().flatten() {
            check_class(name)?;
        }
        for folder in files.folders() {
            check_for_images(&folder)?;
        }
        Ok(files)
    }

    /// The folder and its sub-folders.
    fn folders(&self) -> Vec<PathBuf> {
        let classes = self.classes.iter().flatten().map(|name| self.folder.join(name));
        [self.folder.clone()].into_iter().chain(classes).collect()
    }

    /// Writes each image to its own file: `00000.png`, `00001.png`, …, or by its number if the images have some.
    ///
    /// # Errors
    /// A folder or file cannot be written.
    pub fn write(&self, images: &Images) -> Result<()> {
        files::create_folder(&self.folder)?;
        let pixels: usize = images.size.iter().product();
        for (place, image) in images.values.chunks_exact(pixels).enumerate() {
            let number = images.numbers.as_ref().map_or(place as u64, |numbers| numbers[place]);
            let folder = match (&self.classes, &images.classes) {
                (Some(names), Some(classes)) => self.folder.join(&names[usize::from(classes[place])]),
                _ => self.folder.clone(),
            };
            files::create_folder(&folder)?;
            write_png(&folder.join(format!("{number:05}.png")), &single(image, images.size))?;
        }
        Ok(())
    }
}

/// Refuses a class that is not the name of one folder: a checkpoint may hold any.
fn check_class(name: &str) -> Result<()> {
    let mut parts = Path::new(name).components();
    let whole = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    ensure!(whole && !name.contains(['/', '\\']), File, "the class '{name}' cannot be the name of a folder");
    Ok(())
}

/// Refuses a folder that holds numbered images.
fn check_for_images(folder: &Path) -> Result<()> {
    let numbered = |name: &str| {
        let number = name.strip_suffix(".png");
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let names = files::list(folder)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_string()));
    match names.into_iter().find(|name| numbered(name)) {
        Some(name) => bail!(File, "{} already contains images, e.g. {name}; choose an empty folder", folder.display()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_one_folder_is_a_class() {
        for name in ["7", "cat", "Möwe", "a b", "..."] {
            assert!(check_class(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a\\b", "/etc", "a/", "./a"] {
            assert!(check_class(name).is_err(), "{name}");
        }
    }
}
