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

/// Reads an image file, or every one below a folder, those of a folder before those of its sub-folders; and the files
/// that cannot be read. Transparent pixels are over the background of the options.
///
/// # Errors
/// There is no such file or folder, or it has no readable images.
pub fn pictures(source: &str, options: &DataOptions) -> Result<(Vec<OwnPicture>, Vec<Skipped>)> {
    let options = DataOptions { size: 0, channels: 0, ..options.clone() };
    let path = Path::new(source);
    if !files::exists(path)? {
        return Err(error!(Data, "no file or folder '{source}'"));
    }
    let paths: Vec<(PathBuf, PathBuf)> = match path.is_dir() {
        false => vec![(path.into(), path.file_name().unwrap_or_default().into())],
        true => {
            let all = images_of(path, &mut Vec::new())?.into_images().into_iter();
            all.map(|file| (file.clone(), file.strip_prefix(path).unwrap_or(&file).into())).collect()
        }
    };
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for (file, name) in paths {
        match picture::read(&file, &options) {
            Ok(picture) => {
                let channels = if picture.coloured { 3 } else { 1 };
                let [h, w, from] = picture.size;
                found.push(OwnPicture {
                    name,
                    pixels: convert(picture.pixels, from, channels),
                    size: [h, w, channels],
                });
            }
            Err(reason) => skipped.push(Skipped { path: file.display().to_string(), reason }),
        }
    }
    match (found.is_empty(), skipped.first()) {
        (true, Some(first)) => Err(error!(Data, "no image of {source} can be read: {first}")),
        _ => Ok((found, skipped)),
    }
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
        let read = |name: &str| pictures(path(name).to_str().unwrap(), &DataOptions::default());
        let (found, skipped) = read("more").unwrap();
        assert_eq!((found[0].name.as_path(), found[0].size), (Path::new("colour.png"), [4, 5, 3]));
        assert!(skipped.len() == 1 && skipped[0].path.ends_with("words.png"));
        let (found, _) = read("grey.png").unwrap();
        assert_eq!((found[0].name.as_path(), found[0].size), (Path::new("grey.png"), [2, 3, 1]));
        let large = found[0].fitted([4, 4], 3);
        assert_eq!((large.size, large.pixels), ([4, 4, 3], vec![7; 48]));
        assert!(read("nosuch.png").unwrap_err().to_string().starts_with("no file or folder '"));
        assert!(read("more/words.png").unwrap_err().to_string().contains("can be read"));
    }
}
