//! Image files: every format's values, and files that are cut, damaged, of other formats or too large.

use frit::config::data::{Colour, DataOptions};
use frit::data::picture::{Picture, decode};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn picture(bytes: &[u8]) -> Result<Picture, String> {
    decode(bytes, &DataOptions { background: Colour([0; 3]), ..DataOptions::default() })
}

/// The names of the images that are read, and how far a pixel is from the original at most, on average.
const READ: [(&str, f64); 18] = [
    ("444.jpg", 6.0),
    ("420.jpg", 12.0),
    ("progressive.jpg", 12.0),
    ("restarts.jpg", 12.0),
    ("cmyk.jpg", 12.0),
    ("grey.jpg", 6.0),
    ("lossy.webp", 12.0),
    ("clear.webp", 12.0),
    ("moving.webp", 12.0),
    ("moving.gif", 8.0),
    ("palette.png", 12.0),
    ("deep.png", 0.0),
    ("grey.bmp", 0.0),
    ("deflate.tif", 0.0),
    ("deep.tif", 0.0),
    ("cmyk.tif", 0.0),
    ("coded.tif", 12.0),
    ("colour.ppm", 0.0),
];

#[test]
fn every_format_has_the_right_values() {
    let original = picture(&bytes("colour.ppm")).unwrap();
    assert_eq!((original.size, original.coloured), ([27, 35, 3], true));
    let pixels = || original.pixels.chunks(3).map(|pixel| [0, 1, 2].map(|channel| f64::from(pixel[channel])));
    // Pillow's brightness.
    let grey = |[r, g, b]: [f64; 3]| ((19595.0 * r + 38470.0 * g + 7471.0 * b + 32768.0) / 65536.0).floor();
    for (name, tolerance) in READ {
        let found = picture(&bytes(name)).unwrap_or_else(|reason| panic!("{name} {reason}"));
        assert_eq!(found.size, original.size, "{name}");
        let is_grey = ["grey", "deep"].iter().any(|start| name.starts_with(start));
        assert_eq!(found.coloured, !is_grey, "{name}");
        let expected = pixels().map(|pixel| match name {
            "clear.webp" | "deflate.tif" => pixel.map(|channel| (channel * grey(pixel) / 255.0).round()),
            _ if is_grey => [grey(pixel); 3],
            _ => pixel,
        });
        let apart = found.pixels.chunks(3).zip(expected);
        let apart =
            apart.map(|(found, expected)| (0..3).map(|c| (f64::from(found[c]) - expected[c]).abs()).sum::<f64>());
        let mean = apart.sum::<f64>() / found.pixels.len() as f64;
        assert!(mean <= tolerance, "{name} is off by {mean}");
    }
}

#[test]
fn a_cut_file_is_refused_or_whole() {
    for (name, _) in READ {
        let bytes = bytes(name);
        let whole = picture(&bytes).unwrap();
        for cut in 0..bytes.len() {
            match picture(&bytes[..cut]) {
                Ok(found) => {
                    assert_eq!((found.pixels, found.size), (whole.pixels.clone(), whole.size), "{name} at {cut}")
                }
                Err(reason) => assert!(!reason.is_empty() && !reason.contains(char::is_control), "{name}: {reason:?}"),
            }
        }
        assert!(picture(&bytes[..bytes.len() / 2]).is_err() || name.starts_with("moving"), "{name}");
    }
}

#[test]
fn a_jpeg_with_a_hole_or_a_wrong_part_is_refused() {
    for name in ["444.jpg", "420.jpg", "restarts.jpg", "grey.jpg"] {
        let bytes = bytes(name);
        let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
        let part = (bytes.len() - scan) / 3;
        for at in (scan..bytes.len() - part - 2).step_by(7) {
            let mut hole = bytes.clone();
            hole.drain(at..at + part);
            let reason = picture(&hole).err();
            assert!(reason.is_some(), "{name} without {part} bytes at {at}");
        }
        let mut ends_early = bytes[..scan + part].to_vec();
        ends_early.extend([0xFF, 0xD9]);
        assert_eq!(picture(&ends_early).err().unwrap(), "is damaged (a part of the image is missing)", "{name}");
    }
}

#[test]
fn other_kinds_are_named() {
    let reason = |name: &str| picture(&bytes(name)).err().unwrap();
    assert!(reason("arithmetic.jpg").starts_with("is a JPEG with arithmetic coding, which is not supported"));
    // The decoder makes wrong pixels of these.
    assert!(reason("separate.jpg").starts_with("is a JPEG with a scan for each channel"));
    assert!(reason("fine.jpg").starts_with("is a JPEG with more values of colour than of brightness"));
    assert_eq!(reason("new.avif"), "is an AVIF image; save it as JPEG or PNG");
    assert_eq!(picture(b"<!DOCTYPE html><p>404").err().unwrap(), "is a web page; save it as JPEG or PNG");
}

/// The size is checked before anything of it is allocated.
#[test]
fn a_large_size_in_a_header_is_refused() {
    let with_size = |name: &str, at: usize, size: &[u8]| {
        let mut bytes = bytes(name);
        bytes[at..at + size.len()].copy_from_slice(size);
        picture(&bytes).err().unwrap()
    };
    let jpeg = bytes("444.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let too_large = ["at most 128000000 pixels", "too much memory"];
    for reason in [
        with_size("444.jpg", frame + 5, &[0xFF; 4]),
        with_size("grey.bmp", 18, &[0, 255, 0, 0, 0, 255, 0, 0]),
        with_size("colour.ppm", 3, b"99999 99999 255\n"),
        with_size("moving.gif", 6, &[0xFF; 4]),
    ] {
        assert!(too_large.iter().any(|words| reason.contains(words)), "{reason}");
    }
}
