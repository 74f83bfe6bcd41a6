//! Grids of small images, as PNG files.

use super::error::{Context, ErrorKind, Result, ensure};
use crate::io::{digits, files};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Side of the square that a pixel is drawn as.
const SCALE: usize = 2;
/// Pixels between two images.
const GAP: usize = 2;
/// Grey of the gaps, and of cells without an image.
const BACKGROUND: u8 = 48;
/// Grey of captions.
const CAPTION: u8 = 224;

/// Images in rows of `columns`, twice their size, with a dark-grey gap between them.
///
/// `images`: `count` × `height` × `width` × `channels`, clamped to [0, 1]. One channel is grey,
/// three are red, green and blue.
///
/// # Panics
/// When the sizes do not agree, one is zero, or there are neither one nor three channels.
pub fn grid(
    images: &[f32],
    count: usize,
    height: usize,
    width: usize,
    channels: usize,
    columns: usize,
) -> DynamicImage {
    let pixels = height * width * channels;
    assert_eq!(images.len(), count * pixels, "expected {count} images of {height}×{width}×{channels}");
    let columns = columns.min(count);
    let mut canvas = Canvas::new(count.div_ceil(columns), columns, [height, width, channels]);
    for (number, picture) in images.chunks_exact(pixels).enumerate() {
        canvas.put(number / columns, number % columns, picture);
    }
    canvas.finish()
}

/// The same grid with the number of each image below it, centred; without the numbers if one is wider than an image.
pub fn numbered_grid(images: &[f32], numbers: &[u64], size: [usize; 3], columns: usize) -> DynamicImage {
    let ([height, width, channels], count) = (size, numbers.len());
    let room = SCALE * width;
    if numbers.iter().any(|&number| SCALE * digits::width(number) > room) {
        return grid(images, count, height, width, channels, columns);
    }
    assert_eq!(images.len(), count * size.iter().product::<usize>(), "an image has one number");
    let columns = columns.min(count);
    let mut canvas = Canvas::with_captions(count.div_ceil(columns), columns, size);
    for (place, (picture, &number)) in images.chunks_exact(height * width * channels).zip(numbers).enumerate() {
        canvas.put(place / columns, place % columns, picture);
        canvas.put_caption(place / columns, place % columns, number);
    }
    canvas.finish()
}

/// One image as it is, `height` × `width` × `channels` in [0, 1]; panics as for [`grid`].
pub fn single(picture: &[f32], [height, width, channels]: [usize; 3]) -> DynamicImage {
    let bytes = picture.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    as_image(bytes, [height, width, channels])
}

/// An image of one or three channels with the opacity of each pixel, from 0 to 1.
pub fn over_alpha(pixels: &[u8], [height, width, channels]: [usize; 3], alpha: &[f32]) -> DynamicImage {
    let opacity = alpha.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8);
    let bytes = pixels
        .chunks_exact(channels)
        .zip(opacity)
        .flat_map(|(pixel, opacity)| [pixel[0], pixel[channels / 2], pixel[channels - 1], opacity]);
    let image = image::RgbaImage::from_raw(width as u32, height as u32, bytes.collect());
    DynamicImage::ImageRgba8(image.expect("the size is that of the pixels"))
}

/// Rows of originals, each over the row of its reconstructions; sizes and panics as for [`grid`].
pub fn pairs(
    originals: &[f32],
    reconstructions: &[f32],
    count: usize,
    height: usize,
    width: usize,
    channels: usize,
    columns: usize,
) -> DynamicImage {
    rows_of(&[originals, reconstructions], count, [height, width, channels], columns)
}

/// Rows of the first images, each over the rows of those that belong to them, in the order of `kinds`; panics as for
/// [`grid`].
pub fn rows_of(kinds: &[&[f32]], count: usize, size: [usize; 3], columns: usize) -> DynamicImage {
    let pixels: usize = size.iter().product();
    let columns = columns.min(count);
    let mut canvas = Canvas::new(kinds.len() * count.div_ceil(columns), columns, size);
    for (kind, images) in kinds.iter().enumerate() {
        assert_eq!(images.len(), count * pixels, "expected {count} images of {size:?}");
        for (number, image) in images.chunks_exact(pixels).enumerate() {
            canvas.put(number / columns * kinds.len() + kind, number % columns, image);
        }
    }
    canvas.finish()
}

/// Images one below the other, with a gap as wide as a row of a grid has, in colour if one of them is.
///
/// # Panics
/// If there are none.
pub fn below(drawn: &[DynamicImage]) -> DynamicImage {
    if let [only] = drawn {
        return only.clone();
    }
    let gap = 4 * GAP as u32;
    let width = drawn.iter().map(DynamicImage::width).max().expect("there is an image");
    let height = drawn.iter().map(|image| image.height() + gap).sum::<u32>() - gap;
    let mut all = RgbImage::from_pixel(width, height, image::Rgb([BACKGROUND; 3]));
    let mut top = 0;
    for image in drawn {
        image::imageops::replace(&mut all, &image.to_rgb8(), 0, top);
        top += i64::from(image.height() + gap);
    }
    DynamicImage::ImageRgb8(all)
}

/// The path of an output image: `asked` if given, otherwise `name` in the run folder.
///
/// # Errors
/// Those of [`check_name`].
pub fn destination(asked: Option<&Path>, run: &Path, name: &str) -> Result<PathBuf> {
    let Some(path) = asked else { return Ok(run.join(name)) };
    check_name(path)?;
    Ok(path.into())
}

/// Checks that the name of an image ends in `.png`. Devices and pipes may have any name.
///
/// # Errors
/// The name has another ending.
pub fn check_name(path: &Path) -> Result<()> {
    let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    ensure!(
        is_png || files::is_special(path),
        File,
        "images are written as PNG: use a name that ends in .png (got {})",
        path.display()
    );
    Ok(())
}

/// Saves an image as PNG, whole or not at all.
///
/// # Errors
/// The image is too large for a PNG file, or the file cannot be written.
pub fn write_png(path: &Path, image: &DynamicImage) -> Result<()> {
    let mut png = Cursor::new(Vec::new());
    image
        .write_to(&mut png, ImageFormat::Png)
        .with_context(ErrorKind::File, || format!("{} is too large for a PNG file", path.display()))?;
    files::write(path, png.get_ref())
}

/// An image under construction, divided into equal cells.
struct Canvas {
    bytes: Vec<u8>,
    width: usize,
    height: usize,
    cell: [usize; 3],
    /// Pixels below each cell for its caption.
    caption: usize,
}

impl Canvas {
    fn new(rows: usize, columns: usize, cell: [usize; 3]) -> Self {
        Self::laid_out(rows, columns, cell, 0)
    }

    fn with_captions(rows: usize, columns: usize, cell: [usize; 3]) -> Self {
        Self::laid_out(rows, columns, cell, 2 * GAP + SCALE * digits::ROWS)
    }

    fn laid_out(rows: usize, columns: usize, cell: [usize; 3], caption: usize) -> Self {
        let [cell_height, cell_width, channels] = cell;
        assert!(rows * columns * cell_height * cell_width > 0, "a grid has at least one image");
        assert!(matches!(channels, 1 | 3), "an image has one or three channels, not {channels}");
        let height = rows * (SCALE * cell_height + caption + GAP) - GAP;
        let width = columns * (SCALE * cell_width + GAP) - GAP;
        Self { bytes: vec![BACKGROUND; height * width * channels], width, height, cell, caption }
    }

    fn put(&mut self, row: usize, column: usize, picture: &[f32]) {
        let [height, width, channels] = self.cell;
        let [top, left] = self.corner(row, column);
        for y in 0..SCALE * height {
            for x in 0..SCALE * width {
                let to = ((top + y) * self.width + left + x) * channels;
                let from = (y / SCALE * width + x / SCALE) * channels;
                for c in 0..channels {
                    self.bytes[to + c] = (picture[from + c].clamp(0.0, 1.0) * 255.0).round() as u8;
                }
            }
        }
    }

    /// The top and left pixel of a cell.
    fn corner(&self, row: usize, column: usize) -> [usize; 2] {
        let [height, width, _] = self.cell;
        [row * (SCALE * height + self.caption + GAP), column * (SCALE * width + GAP)]
    }

    fn put_caption(&mut self, row: usize, column: usize, number: u64) {
        let [height, width, channels] = self.cell;
        let [top, left] = self.corner(row, column);
        let [top, left] = [top + SCALE * height + GAP, left + SCALE * (width - digits::width(number)) / 2];
        for [y, x] in digits::pixels(number) {
            for (dy, dx) in (0..SCALE).flat_map(|dy| (0..SCALE).map(move |dx| (dy, dx))) {
                let at = ((top + SCALE * y + dy) * self.width + left + SCALE * x + dx) * channels;
                self.bytes[at..at + channels].fill(CAPTION);
            }
        }
    }

    fn finish(self) -> DynamicImage {
        as_image(self.bytes, [self.height, self.width, self.cell[2]])
    }
}

/// Bytes as an image, grey or coloured.
fn as_image(bytes: Vec<u8>, [height, width, channels]: [usize; 3]) -> DynamicImage {
    let (width, height) = (width as u32, height as u32);
    let image = match channels {
        1 => GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
    };
    image.expect("the size is that of the bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_places_scales_and_clamps() {
        // Three images of 1×2, two to a row: 2·2·2 + 2 wide, 2·2·1 + 2 high.
        let image = grid(&[0.0, 1.0, -1.0, 2.0, 0.5, f32::NAN], 3, 1, 2, 1, 2).into_luma8();
        assert_eq!(image.dimensions(), (10, 6));
        let row = |y: u32| (0..10).map(|x| image.get_pixel(x, y).0[0]).collect::<Vec<_>>();
        let b = BACKGROUND;
        assert_eq!(row(0), [0, 0, 255, 255, b, b, 0, 0, 255, 255]);
        assert_eq!(row(1), row(0));
        assert_eq!(row(2), [b; 10]);
        assert_eq!(row(5), [128, 128, 0, 0, b, b, b, b, b, b]);
    }

    #[test]
    fn a_number_is_centred_below_its_image() {
        let image = numbered_grid(&[1.0; 30], &[7, 12, 3], [1, 10, 1], 2).into_luma8();
        // Two images of 1×10 to a row, twice their size; below each, five rows of twice the size between gaps.
        assert_eq!(image.dimensions(), (42, 2 * (2 + 14) + 2));
        let row = |left: u32| -> String {
            let lit = (left..left + 20).map(|x| image.get_pixel(x, 4).0[0] == CAPTION);
            lit.map(|lit| if lit { '#' } else { '.' }).collect()
        };
        assert_eq!([row(0), row(22)], [".......######.......", ".....##....######..."]);
        assert_eq!(numbered_grid(&[1.0; 2], &[17, 3], [1, 1, 1], 2), grid(&[1.0; 2], 2, 1, 1, 1, 2));
    }

    #[test]
    fn fewer_pictures_than_columns_make_a_narrower_grid() {
        let image = grid(&[0.0; 6], 2, 1, 1, 3, 8).into_rgb8();
        assert_eq!(image.dimensions(), (6, 2));
    }

    #[test]
    fn pairs_stand_over_each_other() {
        let image = pairs(&[0.0, 0.2, 0.4], &[0.6, 0.8, 1.0], 3, 1, 1, 1, 2).into_luma8();
        assert_eq!(image.dimensions(), (6, 14));
        let cell = |row: u32, column: u32| image.get_pixel(4 * column, 4 * row).0[0];
        assert_eq!([cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)], [0, 51, 153, 204]);
        assert_eq!([cell(2, 0), cell(2, 1), cell(3, 0), cell(3, 1)], [102, BACKGROUND, 255, BACKGROUND]);
    }

    #[test]
    fn a_png_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        let image = grid(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 1, 2, 3, 1);
        write_png(&path, &image).unwrap();
        assert_eq!(image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap(), image);
    }
}
