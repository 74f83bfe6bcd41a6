//! Image files one by one, of any size.

use super::channels::convert;
use super::fit::resized;
use super::folder::Skipped;
use super::picture;
use super::scan::images_of;
use crate::config::data::DataOptions;
use crate::io::error::{Result, error};
use crate::io::files;
use std::path::{Path, PathBuf};

/// An image file and its pixels.
#[derive(Clone, PartialEq, Debug)]
pub struct OwnPicture {
    /// The path below the folder that was read; of a single file, its name.
    pub name: PathBuf,
    /// Bytes of its pixels.
    pub pixels: Vec<u8>,
    /// Height, width and channels: 3, or 1 of an image without colours.
    pub size: [usize; 3],
}

impl OwnPicture {
    /// The same of another height and width, each scaled by its own factor, and of these channels.
    pub fn fitted(&self, to: [usize; 2], channels: usize) -> Self {
        let [h, w, from] = self.size;
        let pixels = convert(self.pixels.clone(), from, channels);
        let pixels = if to == [h, w] { pixels } else { resized(pixels, [h, w, channels], to) };
        Self { name: self.name.clone(), pixels, size: [to[0], to[1], channels] }
    }
}

/// The image files of a source, a file or a folder: those of a folder before those of its sub-folders. Each has its
/// path and the name of its result.
///
/// # Errors
/// There is no such file or folder, or the folder holds no images.
pub fn picture_files(source: &str) -> Result<Vec<(PathBuf, PathBuf)>> {
    let path = Path::new(source);
    if !files::exists(path)? {
        return Err(error!(Data, "no file or folder '{source}'"));
    }
    if !path.is_dir() {
        return Ok(vec![(path.into(), path.file_name().unwrap_or_default().into())]);
    }
    let all = images_of(path, &mut Vec::new())?.into_images().into_iter();
    Ok(all.map(|file| (file.clone(), file.strip_prefix(path).unwrap_or(&file).into())).collect())
}

/// Reads an image file. Transparent pixels are over the background of the options.
///
/// # Errors
/// The file and the reason, if it is no image that can be read.
pub fn own_picture(file: &Path, name: &Path, options: &DataOptions) -> Result<OwnPicture, Skipped> {
    let options = DataOptions { size: 0, channels: 0, ..options.clone() };
    let skipped = |reason| Skipped { path: file.display().to_string(), reason };
    let found = picture::read(file, &options).map_err(skipped)?;
    let channels = if found.coloured { 3 } else { 1 };
    let [h, w, from] = found.size;
    Ok(OwnPicture { name: name.into(), pixels: convert(found.pixels, from, channels), size: [h, w, channels] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    #[test]
    fn images_keep_their_sizes_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("more")).unwrap();
        GrayImage::from_pixel(3, 2, Luma([7])).save(path("grey.png")).unwrap();
        RgbImage::from_pixel(5, 4, Rgb([1, 2, 3])).save(path("more/colour.png")).unwrap();
        std::fs::write(path("more/words.png"), "no image").unwrap();
        let read = |name: &str| -> Result<Vec<Result<OwnPicture, Skipped>>> {
            let found = picture_files(path(name).to_str().unwrap())?;
            Ok(found.iter().map(|(file, name)| own_picture(file, name, &DataOptions::default())).collect())
        };
        let [colour, words] = read("more").unwrap().try_into().unwrap();
        let colour = colour.unwrap();
        assert_eq!((colour.name.as_path(), colour.size), (Path::new("colour.png"), [4, 5, 3]));
        assert!(words.unwrap_err().path.ends_with("words.png"));
        let all: Vec<PathBuf> = read("").unwrap().into_iter().flatten().map(|found| found.name).collect();
        assert_eq!(all, [Path::new("grey.png"), Path::new("more/colour.png")]);
        let [grey] = read("grey.png").unwrap().try_into().unwrap();
        let grey = grey.unwrap();
        assert_eq!((grey.name.as_path(), grey.size), (Path::new("grey.png"), [2, 3, 1]));
        let large = grey.fitted([4, 4], 3);
        assert_eq!((large.size, large.pixels), ([4, 4, 3], vec![7; 48]));
        assert!(read("nosuch.png").unwrap_err().to_string().starts_with("no file or folder '"));
    }
}
