//! Resizing: images of any size become images of the configured size and channels.

use super::channels::{convert, luma};
use super::dataset::{SizedSplit, Split};
use crate::config::data::{DataOptions, Fit, Pairs};
use crate::io::error::Result;
use image::imageops::{self, FilterType};
use image::{GenericImageView, ImageBuffer, Luma, Pixel, Rgb};

/// The filter of resampling: cubic, and over as many pixels as one of the result covers, so that fine lines fade and
/// do not alias.
const FILTER: FilterType = FilterType::CatmullRom;

/// Every image of a split, fitted to `options`.
pub(super) fn fit_split(sized: SizedSplit, options: &DataOptions) -> Result<SizedSplit> {
    let SizedSplit { split, size } = sized;
    let to = fitted_size(size, options);
    if to == size || split.count == 0 {
        return Ok(SizedSplit { split, size });
    }
    let images = split.images.map_each(size.iter().product(), |picture| fit(picture.to_vec(), size, options))?;
    Ok(SizedSplit { split: Split { images, ..split }, size: to })
}

/// Height, width and channels of a fitted image.
pub(super) fn fitted_size([height, width, channels]: [usize; 3], options: &DataOptions) -> [usize; 3] {
    // An image of two halves becomes two squares, side by side.
    let squares = if options.pairs == Pairs::Split { 2 } else { 1 };
    let [height, width] = if options.size == 0 { [height, width] } else { [options.size, squares * options.size] };
    [height, width, if options.channels == 0 { channels } else { options.channels }]
}

/// One image of height × width × channels fitted to `options`; [`fitted_size`] is its size.
pub(super) fn fit(picture: Vec<u8>, from: [usize; 3], options: &DataOptions) -> Vec<u8> {
    let [height, width, channels] = from;
    let to = fitted_size(from, options);
    let picture = convert(picture, channels, to[2]);
    if to[..2] == from[..2] {
        return picture;
    }
    if options.pairs == Pairs::Split {
        let options = DataOptions { pairs: Pairs::None, ..options.clone() };
        let (halves, from) = halves(&picture, [height, width, to[2]]);
        return beside(halves.map(|half| fit(half, from, &options)), options.size * to[2]);
    }
    let background = options.background.0;
    match to[2] {
        1 => square(picture, [height, width], options.size, options.fit, Luma([luma(background)])),
        _ => square(picture, [height, width], options.size, options.fit, Rgb(background)),
    }
}

/// The left and the right half of an image, with their height, width and channels; of an odd width, without the column
/// in the middle.
fn halves(picture: &[u8], [height, width, channels]: [usize; 3]) -> ([Vec<u8>; 2], [usize; 3]) {
    let half = (width / 2).max(1);
    let columns = |first: usize| {
        let rows = picture.chunks_exact(width * channels);
        rows.flat_map(|row| &row[first * channels..(first + half) * channels]).copied().collect()
    };
    ([columns(0), columns(width - half)], [height, half, channels])
}

/// Two images whose rows have `row` bytes, as the halves of one.
fn beside([left, right]: [Vec<u8>; 2], row: usize) -> Vec<u8> {
    left.chunks_exact(row).zip(right.chunks_exact(row)).flat_map(|(left, right)| [left, right].concat()).collect()
}

/// An image of at most `most` pixels on either side, in its proportions, with its height and width.
pub fn shrink(picture: &[u8], [height, width, channels]: [usize; 3], most: usize) -> (Vec<u8>, [usize; 2]) {
    let to = within([height, width], most);
    let picture = picture.to_vec();
    match channels {
        _ if height.max(width) <= most => (picture, [height, width]),
        1 => (resize(&buffer::<Luma<u8>>(picture, [height, width]), to).into_raw(), to),
        _ => (resize(&buffer::<Rgb<u8>>(picture, [height, width]), to).into_raw(), to),
    }
}

/// An image as a square of `size`.
fn square<P>(picture: Vec<u8>, [height, width]: [usize; 2], size: usize, fit: Fit, background: P) -> Vec<u8>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let picture = buffer::<P>(picture, [height, width]);
    match fit {
        Fit::Stretch => resize(&picture, [size; 2]).into_raw(),
        Fit::Crop => {
            let side = height.min(width);
            let [top, left] = [(height - side) / 2, (width - side) / 2].map(|at| at as u32);
            let middle = imageops::crop_imm(&picture, left, top, side as u32, side as u32);
            resize(&*middle, [size; 2]).into_raw()
        }
        Fit::Pad => {
            let [inner_height, inner_width] = within([height, width], size);
            let inner = resize(&picture, [inner_height, inner_width]);
            let mut canvas = ImageBuffer::from_pixel(size as u32, size as u32, background);
            let [top, left] = [(size - inner_height) / 2, (size - inner_width) / 2].map(|at| at as i64);
            imageops::replace(&mut canvas, &inner, left, top);
            canvas.into_raw()
        }
    }
}

/// Height and width whose longer one is `size`, in about the same proportion.
fn within([height, width]: [usize; 2], size: usize) -> [usize; 2] {
    let long = height.max(width);
    [height, width].map(|side| ((2 * side * size + long) / (2 * long)).max(1))
}

fn buffer<P: Pixel<Subpixel = u8>>(picture: Vec<u8>, [height, width]: [usize; 2]) -> ImageBuffer<P, Vec<u8>> {
    ImageBuffer::from_raw(width as u32, height as u32, picture).expect("the size is that of the bytes")
}

fn resize<I>(picture: &I, [height, width]: [usize; 2]) -> ImageBuffer<I::Pixel, Vec<u8>>
where
    I: GenericImageView<Pixel: Pixel<Subpixel = u8> + 'static>,
{
    imageops::resize(picture, width as u32, height as u32, FILTER)
}

/// An image of another height and width, each scaled by its own factor; of one or three channels.
pub(super) fn resized(picture: Vec<u8>, [h, w, channels]: [usize; 3], to: [usize; 2]) -> Vec<u8> {
    match channels {
        1 => resize(&buffer::<Luma<u8>>(picture, [h, w]), to).into_raw(),
        _ => resize(&buffer::<Rgb<u8>>(picture, [h, w]), to).into_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::Colour;

    /// 4 × 8 grey: black on the left, white on the right.
    fn halves_of_grey() -> Vec<u8> {
        (0..32).map(|at| if at % 8 < 4 { 0 } else { 255 }).collect()
    }

    fn options(size: usize, fit: Fit) -> DataOptions {
        DataOptions { size, fit, background: Colour([100; 3]), ..DataOptions::default() }
    }

    #[test]
    fn each_fit_keeps_what_it_says() {
        // The middle square is half black, half white: columns 2 to 5.
        assert_eq!(fit(halves_of_grey(), [4, 8, 1], &options(4, Fit::Crop)), [0, 0, 255, 255].repeat(4));
        let stretched = fit(halves_of_grey(), [4, 8, 1], &options(4, Fit::Stretch));
        assert!(stretched.chunks(4).all(|row| row[0] < 10 && row[3] > 245 && row[1] < row[2]), "{stretched:?}");
        let padded = fit(halves_of_grey(), [4, 8, 1], &options(4, Fit::Pad));
        assert_eq!((&padded[..4], &padded[12..]), (&[100; 4][..], &[100; 4][..]));
        assert_eq!(padded[4..12], stretched[..8]);
        let tall = fit(vec![7; 8], [8, 1, 1], &options(4, Fit::Pad));
        assert_eq!(tall, [100, 7, 100, 100].repeat(4), "half a column is a column");
    }

    #[test]
    fn halves_are_fitted_one_by_one() {
        let split = DataOptions { pairs: Pairs::Split, ..options(2, Fit::Crop) };
        assert_eq!(fit(halves_of_grey(), [4, 8, 1], &split), [0, 0, 255, 255].repeat(2));
        let middle = fit(vec![1, 2, 3], [1, 3, 1], &DataOptions { size: 1, ..split.clone() });
        assert_eq!(middle, [1, 3], "without the column in the middle");
        assert_eq!(fit(vec![7], [1, 1, 1], &DataOptions { channels: 3, ..split.clone() }), [7; 24]);
        let whole = DataOptions { size: 0, ..split };
        assert_eq!((fitted_size([4, 8, 1], &whole), fit(vec![5; 32], [4, 8, 1], &whole)), ([4, 8, 1], vec![5; 32]));
    }

    #[test]
    fn a_constant_stays_constant_up_and_down() {
        for (from, to) in [(28, 32), (32, 28), (100, 8), (3, 64)] {
            let fitted = fit(vec![77; 3 * from * from], [from, from, 3], &options(to, Fit::Crop));
            assert_eq!(fitted, vec![77; 3 * to * to], "{from} → {to}");
        }
    }

    #[test]
    fn fine_lines_are_averaged_when_scaled_down() {
        let lines: Vec<u8> = (0..64 * 64).map(|at| if at % 2 == 0 { 0 } else { 255 }).collect();
        let fitted = fit(lines, [64, 64, 1], &options(8, Fit::Stretch));
        assert!(fitted.iter().all(|&grey| (110..=145).contains(&grey)), "{fitted:?}");
    }

    #[test]
    fn a_split_is_fitted_picture_by_picture() {
        let images = [vec![10; 4], vec![20; 4]].concat();
        let part = SizedSplit { split: Split { images: images.into(), labels: vec![1, 0], count: 2 }, size: [2, 2, 1] };
        let fitted = fit_split(part, &DataOptions { size: 3, channels: 3, ..DataOptions::default() }).unwrap();
        assert_eq!((fitted.size, fitted.split.labels), ([3, 3, 3], vec![1, 0]));
        assert_eq!(fitted.split.images, [vec![10; 27], vec![20; 27]].concat());
    }

    #[test]
    fn shrinking_keeps_the_proportions() {
        assert_eq!(shrink(&[5; 24], [4, 6, 1], 3), (vec![5; 6], [2, 3]));
        assert_eq!(shrink(&[5; 24], [2, 4, 3], 4), (vec![5; 24], [2, 4]));
    }
}
