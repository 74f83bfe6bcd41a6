//! Reading of two sides, A and B, for image-to-image translation: two sources, a folder with `trainA` and `trainB`, or
//! images that hold both sides.

use super::folder::{Decoded, announced_size, mixed_sizes};
use super::formats::is_built_in;
use super::pairs::{by_name, halves};
use super::place::{Place, channels_of, in_channels, names, sizes_of};
use crate::config::data::{DataOptions, Pairs};
use crate::io::error::{Result, bail};
use crate::io::files;
use std::path::{Path, PathBuf};

/// The images of two sides, fitted, of one size and without classes.
pub(super) struct TwoSided {
    /// The images of A and those of B, or pairs, whose pixels have the channels of A, then those of B.
    pub(super) images: Vec<Decoded>,
    /// The channels of both sides, of pairs.
    pub(super) channels: Option<[usize; 2]>,
    /// The source of each side.
    pub(super) sources: [String; 2],
    /// The name of each side.
    pub(super) names: [String; 2],
    /// Sentences on what was left out.
    pub(super) notes: Vec<String>,
}

/// Reads both sides of a source; `None` for data of one side.
///
/// # Errors
/// A setting does not fit two sides, a side cannot be read, the images have several sizes and the options ask for none,
/// or no images are pairs.
pub(super) fn read(options: &DataOptions) -> Result<Option<TwoSided>> {
    let DataOptions { source, b, pairs, .. } = options;
    if *pairs == Pairs::Split {
        refuse_other_settings(options)?;
        let (pairs, channels) = halves(options)?;
        let [sources, names] = [[source.clone(), source.clone()], ["A".into(), "B".into()]];
        let (images, channels) = (vec![pairs], Some(channels));
        return Ok(Some(TwoSided { images, channels, sources, names, notes: Vec::new() }));
    }
    let places = match (b.is_empty(), named_folders(source)?) {
        (false, _) => [Place::Source(source.clone()), Place::Source(b.clone())],
        (true, Some(places)) => places,
        (true, None) if *pairs == Pairs::Name => bail!(
            Setting,
            "data.pairs = name needs a second set of images: name it in data.b, or use a folder with trainA and trainB"
        ),
        (true, None) => return Ok(None),
    };
    refuse_other_settings(options)?;
    let (names, sources) = (names(&places), places.each_ref().map(Place::name));
    let [mut a, mut b] = read_both(&places, options)?;
    for (side, name) in [&mut a, &mut b].into_iter().zip(&names) {
        side.notes.iter_mut().for_each(|note| *note = format!("{name}: {note}"));
    }
    let mut notes = Vec::new();
    let (images, channels) = match pairs {
        Pairs::Name => {
            let (pairs, channels, left_out) = by_name([a, b], &places)?;
            notes.extend(left_out);
            (vec![pairs], Some(channels))
        }
        _ => (apart([a, b])?.into(), None),
    };
    Ok(Some(TwoSided { images, channels, sources, names, notes }))
}

/// Refuses settings that two sides cannot have.
fn refuse_other_settings(options: &DataOptions) -> Result<()> {
    if options.stacked > 0 {
        bail!(Setting, "data.stacked must be 0 for two sides of images (got {})", options.stacked);
    }
    if options.shard > 0 && options.pairs == Pairs::None {
        bail!(Setting, "two sets of images without pairs need data.shard = 0 (got {})", options.shard);
    }
    Ok(())
}

/// The sides of a folder with `trainA` and `trainB`, in any case; `None` for another source.
fn named_folders(source: &str) -> Result<Option<[Place; 2]>> {
    let root = Path::new(source);
    if is_built_in(source) || !root.is_dir() {
        return Ok(None);
    }
    let folders: Vec<PathBuf> = files::list(root)?.into_iter().filter(|path| path.is_dir()).collect();
    let named = |name: &str| {
        let is_it = |path: &&PathBuf| path.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name));
        folders.iter().find(is_it).cloned()
    };
    let (Some(a), Some(b)) = (named("trainA"), named("trainB")) else { return Ok(None) };
    let place = |train: PathBuf, test: &str| Place::Parts { root: root.into(), train, test: named(test) };
    Ok(Some([place(a, "testA"), place(b, "testB")]))
}

/// Both sides, of one height and width.
fn read_both(places: &[Place; 2], options: &DataOptions) -> Result<[Decoded; 2]> {
    if options.size == 0 {
        // Before anything is decoded, and of both sides: one size has to suit all.
        let files = [places[0].image_files()?, places[1].image_files()?];
        announced_size(&files.iter().flatten().collect::<Vec<_>>())?;
    }
    let [a, b] = places.each_ref().map(|place| place.read(options));
    let (a, b) = (a?, b?);
    let fitted: Vec<[usize; 3]> = [&a, &b].iter().flat_map(|side| sizes_of(&side.splits)).collect();
    if fitted.iter().any(|size| size[..2] != fitted[0][..2]) {
        return Err(mixed_sizes(&[&a.sizes[..], &b.sizes].concat()));
    }
    Ok([a, b])
}

/// Two sets without pairs: in colour if one of them is.
fn apart([a, b]: [Decoded; 2]) -> Result<[Decoded; 2]> {
    let channels = channels_of(&a.splits).max(channels_of(&b.splits));
    let of_channels =
        |side: Decoded| -> Result<Decoded> { Ok(Decoded { splits: in_channels(side.splits, channels)?, ..side }) };
    Ok([of_channels(a)?, of_channels(b)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSet, ImageList, Rule, Sides, Split, from, read, read_any_size, read_by};
    use crate::io::error::Hint;
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use std::collections::BTreeSet;
    use tempfile::TempDir;

    /// A folder with images; those of `put` are 4×4 in colour, those of `put_grey` in grey.
    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> String {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            path.display().to_string()
        }

        fn put(&self, name: &str, shade: u8) {
            RgbImage::from_pixel(4, 4, Rgb([shade, 0, 9])).save(self.path(name)).unwrap();
        }

        fn put_grey(&self, name: &str, shade: u8) {
            GrayImage::from_pixel(4, 4, Luma([shade])).save(self.path(name)).unwrap();
        }

        /// `count` images in a folder, of shades from `first` on.
        fn fill(&self, folder: &str, count: u8, first: u8) {
            (0..count).for_each(|number| self.put(&format!("{folder}/{number:02}.png"), first + number));
        }

        /// The sources `a` and `b` in this folder.
        fn both(&self, pairs: Pairs) -> DataOptions {
            DataOptions { source: self.path("a"), b: self.path("b"), pairs, test: 0.3, ..DataOptions::default() }
        }

        /// This folder as the only source.
        fn whole(&self, pairs: Pairs) -> DataOptions {
            DataOptions { pairs, test: 0.3, ..from(self.0.path()) }
        }
    }

    fn load(options: &DataOptions) -> DataSet {
        read(options).unwrap().data
    }

    fn message(options: &DataOptions) -> String {
        read(options).unwrap_err().to_string()
    }

    /// The first byte of each image of a side.
    fn firsts(data: &DataSet, split: &Split, side: usize) -> Vec<u8> {
        let pixels = data.side_size(side).iter().product();
        data.side(split, side, None).chunks(pixels).map(|image| image[0]).collect()
    }

    fn assert_sides(data: &DataSet, split: &Split, sides: [Vec<u8>; 2]) {
        assert_eq!([0, 1].map(|side| firsts(data, split, side)), sides);
    }

    fn sorted(parts: [Vec<u8>; 2]) -> Vec<u8> {
        let mut all = parts.concat();
        all.sort_unstable();
        all
    }

    #[test]
    fn two_sources_are_two_sides_with_test_images_of_each() {
        let folder = Folder::new();
        folder.fill("a/cats", 20, 0);
        folder.fill("a/dogs", 10, 20);
        folder.fill("b", 12, 100);
        folder.put("a/loose.png", 30);
        let found = read(&folder.both(Pairs::None)).unwrap();
        let data = &found.data;
        assert_eq!((found.kind, found.held_out, found.sizes.len()), ("two sets of images", true, 43));
        assert_eq!((data.side_names(), data.side_size(0), data.side_size(1)), (["a", "b"], [4, 4, 3], [4, 4, 3]));
        // Class folders and loose images are all of one side.
        let of_side = |side: usize| sorted([&data.train, &data.test].map(|split| firsts(data, split, side)));
        assert_eq!((of_side(0), of_side(1)), ((0..31).collect(), (100..112).collect()));
        for split in [&data.train, &data.test] {
            let counts = [0, 1].map(|side| data.side_count(split, side));
            assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
            assert_eq!(split.labels, [vec![0; counts[0]], vec![1; counts[1]]].concat());
        }
        let [train, test] = [&data.train, &data.test].map(|split| data.side_count(split, 0));
        assert_eq!(data.sides, Some(Sides::Unpaired { train, test }));
        assert_eq!(data.tests(), data.side_count(&data.test, 1).min(test));
        assert_eq!((data.list.train.len(), data.list.test.len()), (data.train.count, data.test.count));
        // Each side is held out as if it were alone.
        let alone = load(&DataOptions { b: String::new(), source: folder.path("b"), ..folder.both(Pairs::None) });
        assert!(alone.sides.is_none() && alone.test.count == data.side_count(&data.test, 1));
        let rows = [data.side_count(&data.train, 1) - 1, 0];
        let picked = data.side(&data.train, 1, Some(&rows));
        assert_eq!(
            picked.chunks(48).map(|image| image[0]).collect::<Vec<_>>(),
            rows.map(|row| firsts(data, &data.train, 1)[row])
        );
    }

    #[test]
    fn rows_of_a_pass_are_those_that_both_sides_have() {
        let folder = Folder::new();
        folder.fill("a", 40, 0);
        folder.fill("b", 9, 100);
        let data = load(&folder.both(Pairs::None));
        let rows = data.test_rows(data.tests(), 0);
        assert_eq!(rows, (0..data.tests()).collect::<Vec<_>>());
        let (values, size) = data.side_by_side(&data.test, &[0]);
        assert_eq!((size, values.len()), ([4, 8, 3], 96));
        let shades = [0, 1].map(|side| f32::from(firsts(&data, &data.test, side)[0]) / 255.0);
        assert_eq!([values[0], values[12], values[84]], [shades[0], shades[1], shades[1]]);
        assert!(data.described(&data.train).contains(" images of a and "), "{}", data.described(&data.train));
    }

    #[test]
    fn a_folder_has_its_sides_by_name() {
        let folder = Folder::new();
        for (name, first) in [("TrainA", 0), ("trainb", 50), ("testA", 100), ("testB", 150)] {
            folder.fill(name, 3 + first / 50, first);
        }
        folder.fill("other", 2, 250);
        let found = read(&folder.whole(Pairs::None)).unwrap();
        let data = &found.data;
        assert_eq!((data.side_names(), found.held_out), (["A", "B"], false));
        assert_sides(data, &data.train, [(0..3).collect(), (50..54).collect()]);
        assert_sides(data, &data.test, [(100..105).collect(), (150..156).collect()]);
        assert_eq!((data.tests(), data.list.train[3].path.as_deref()), (5, Some("trainb/00.png")));
        // Without the test images of B, some of its training images are held out.
        std::fs::remove_dir_all(folder.path("testB")).unwrap();
        let data = load(&folder.whole(Pairs::None));
        assert_eq!(firsts(&data, &data.test, 0), (100..105).collect::<Vec<_>>());
        assert_eq!(
            sorted([&data.train, &data.test].map(|split| firsts(&data, split, 1))),
            (50..54).collect::<Vec<_>>()
        );
        // Halves and one of two folders are other data.
        std::fs::remove_dir_all(folder.path("trainb")).unwrap();
        assert!(load(&folder.whole(Pairs::None)).sides.is_none());
    }

    #[test]
    fn pairs_have_one_name_and_each_side_its_channels() {
        let folder = Folder::new();
        folder.fill("a/sub", 20, 0);
        (0..20).for_each(|number| folder.put_grey(&format!("b/sub/{number:02}.bmp"), 200 + number));
        folder.put("a/alone.png", 99);
        folder.put_grey("b/sub/other.png", 98);
        folder.put_grey("b/00.png", 97);
        let found = read(&folder.both(Pairs::Name)).unwrap();
        let data = &found.data;
        assert_eq!((data.sides, data.channels), (Some(Sides::Paired { channels: [3, 1] }), 4));
        assert_eq!((data.side_size(0), data.side_size(1), data.classes.len()), ([4, 4, 3], [4, 4, 1], 1));
        assert_eq!((data.train.count + data.test.count, data.tests()), (20, data.test.count));
        for split in [&data.train, &data.test] {
            let [a, b] = [0, 1].map(|side| firsts(data, split, side));
            assert!(split.count > 0 && a.iter().zip(&b).all(|(a, b)| a + 200 == *b), "{a:?} {b:?}");
        }
        let note = "3 images have no partner of the same name and are left out, such as alone.png";
        assert_eq!(found.notes.last().unwrap(), note);
        assert_eq!(data.list.train[0].path.as_deref().map(|path| &path[..4]), Some("sub/"));
        let (values, size) = data.side_by_side(&data.train, &[1]);
        assert_eq!((size, values[13] > 0.7, values[12] == values[14]), ([4, 8, 3], true, true));
        let grey = load(&DataOptions { channels: 1, ..folder.both(Pairs::Name) });
        assert_eq!(grey.sides, Some(Sides::Paired { channels: [1, 1] }));
    }

    #[test]
    fn pairs_are_matched_within_their_parts() {
        let folder = Folder::new();
        for (name, first) in [("trainA", 0), ("trainB", 50), ("testA", 100), ("testB", 150)] {
            folder.fill(name, 4, first);
        }
        std::fs::remove_file(folder.path("testB/03.png")).unwrap();
        let found = read(&folder.whole(Pairs::Name)).unwrap();
        assert_sides(&found.data, &found.data.train, [(0..4).collect(), (50..54).collect()]);
        assert_sides(&found.data, &found.data.test, [(100..103).collect(), (150..153).collect()]);
        assert_eq!(found.notes, ["1 image has no partner of the same name and is left out: testA/03.png"]);
        assert!(!found.held_out);
    }

    /// A photo of `shade` on the left, a grey mask on the right.
    fn halved(side: u32, shade: u8) -> RgbImage {
        RgbImage::from_fn(2 * side, side, |x, _| if x < side { Rgb([shade, 0, 9]) } else { Rgb([255 - shade; 3]) })
    }

    #[test]
    fn halves_are_pairs() {
        let folder = Folder::new();
        for (part, first) in [("train", 0), ("val", 50)] {
            for number in 0..5 {
                halved(6, first + number).save(folder.path(&format!("{part}/{number}.png"))).unwrap();
            }
        }
        for (size, side) in [(0, 6), (4, 4)] {
            let data = load(&DataOptions { size, ..folder.whole(Pairs::Split) });
            assert_eq!((data.sides, data.side_size(0)), (Some(Sides::Paired { channels: [3, 1] }), [side, side, 3]));
            assert_sides(&data, &data.train, [(0..5).collect(), (251..=255).rev().collect()]);
            assert_sides(&data, &data.test, [(50..55).collect(), (201..206).rev().collect()]);
            assert!(data.side(&data.test, 1, Some(&[2])).iter().all(|&byte| byte == 203), "size {size}");
        }
        let coloured = load(&DataOptions { channels: 3, ..folder.whole(Pairs::Split) });
        assert_eq!(coloured.side_size(1), [6, 6, 3]);
        halved(8, 0).save(folder.path("train/9.png")).unwrap();
        assert!(message(&folder.whole(Pairs::Split)).contains("have 2 sizes, such as 6×12 and 8×16"));
        assert_eq!(read_any_size(&folder.whole(Pairs::Split)).unwrap().data.side_size(0), [8, 8, 3]);
        folder.put("train/a.png", 0);
        let error = message(&DataOptions { size: 4, ..folder.whole(Pairs::Split) });
        assert!(error.contains("but 1 of 12 images of") && error.ends_with("such as train/a.png of 4×4"), "{error}");
        assert!(message(&DataOptions { pairs: Pairs::Split, ..DataOptions::default() }).ends_with("such as 28×28"));
    }

    #[test]
    fn both_sides_have_one_size_and_colours() {
        let folder = Folder::new();
        (0..4).for_each(|number| folder.put_grey(&format!("a/{number}.png"), number));
        folder.fill("b", 4, 100);
        let data = load(&folder.both(Pairs::None));
        assert_eq!((data.channels, firsts(&data, &data.train, 0).iter().all(|&shade| shade < 4)), (3, true));
        RgbImage::new(40, 36).save(folder.path("b/large.png")).unwrap();
        let error = read(&folder.both(Pairs::None)).unwrap_err();
        assert!(error.to_string().starts_with("the images have 2 sizes, such as 4×4 and 36×40; resize"), "{error}");
        assert_eq!(error.hint(), Some(&Hint::Size(8)));
        let data = load(&DataOptions { size: 6, ..folder.both(Pairs::None) });
        assert_eq!((data.side_size(0), data.train.count + data.test.count), ([6, 6, 3], 9));
        // An array and a folder.
        let digits = DataOptions { source: "digits".into(), b: folder.path("a"), ..DataOptions::default() };
        assert!(message(&digits).contains("such as 28×28 and 4×4; resize"), "{}", message(&digits));
        let data = load(&DataOptions { size: 8, ..digits.clone() });
        assert_eq!((data.side_names(), data.channels, data.side_count(&data.train, 0)), (["digits", "a"], 1, 10_000));
        assert_eq!(data.list.train.len(), data.train.count);
        let built_in = load(&DataOptions { b: "shapes".into(), size: 8, ..digits });
        assert_eq!((built_in.list.len(), built_in.side_count(&built_in.test, 1)), (0, 1_200));
    }

    #[test]
    fn a_list_keeps_the_sides_of_a_run() {
        let folder = Folder::new();
        folder.fill("a", 15, 0);
        // The same images, some of them, on the other side.
        folder.fill("b", 6, 0);
        folder.fill("b/more", 9, 100);
        for pairs in [Pairs::None, Pairs::Name] {
            let options = folder.both(pairs);
            let before = load(&options);
            let list = ImageList::parse(&before.list.to_json(), "it").unwrap();
            folder.put("a/more.png", 14);
            folder.put("a/20.png", 200);
            folder.put("b/20.png", 201);
            folder.put("b/07.png", 7);
            let found = read_by(&options, Rule::List(&list)).unwrap();
            assert_eq!((&found.data.train, &found.data.test), (&before.train, &before.test), "{pairs:?}");
            assert_eq!((found.data.fingerprint(), found.data.sides), (before.fingerprint(), before.sides));
            assert_eq!(
                (found.changes.added, found.changes.missing),
                if pairs == Pairs::None { (4, 0) } else { (2, 0) }
            );
            for added in ["a/more.png", "a/20.png", "b/20.png", "b/07.png"] {
                std::fs::remove_file(folder.path(added)).unwrap();
            }
            assert!(read_by(&options, Rule::List(&list)).unwrap().changes.is_none());
        }
        let [apart, paired] = [Pairs::None, Pairs::Name].map(|pairs| load(&folder.both(pairs)));
        let ids: BTreeSet<u64> = apart.list.train.iter().chain(&apart.list.test).map(|entry| entry.id).collect();
        assert_eq!(ids.len(), 30, "an image has an id for each side");
        assert!(apart.fingerprint() != paired.fingerprint());
        let (source, b) = (folder.path("b"), folder.path("a"));
        assert!(load(&DataOptions { source, b, ..folder.both(Pairs::None) }).fingerprint() != apart.fingerprint());
    }

    /// Images without names, of arrays and of built-in sets, are pairs by their places.
    #[test]
    fn built_in_sets_are_paired_by_place() {
        let source = "shapes".to_string();
        let options = DataOptions { source, b: "outlines".into(), pairs: Pairs::Name, ..DataOptions::default() };
        let data = read(&options).unwrap().data;
        assert_eq!((data.train.count, data.test.count, data.channels), (6000, 1200, 6));
        let [shapes, outlines] = [0, 1].map(|side| data.side(&data.test, side, Some(&[3])).into_owned());
        // An outline has the colour of its shape, or white.
        let strongest =
            |image: &[u8]| (0..3).map(|c| image.iter().skip(c).step_by(3).copied().min()).collect::<Vec<_>>();
        assert!(shapes != outlines && strongest(&outlines).iter().any(|least| *least < Some(200)));
    }

    #[test]
    fn data_without_two_sides_is_refused() {
        let folder = Folder::new();
        folder.fill("a", 5, 0);
        folder.fill("b/below", 5, 100);
        let error = message(&folder.both(Pairs::Name));
        assert!(
            error.contains("a has the name of one of ") && error.contains("A has '00' and B has 'below/00'"),
            "{error}"
        );
        let digits = DataOptions { b: "digits".into(), pairs: Pairs::Name, ..DataOptions::default() };
        let named = DataOptions { b: folder.path("a"), size: 28, ..digits.clone() };
        assert!(message(&named).contains("two folders of images, or two sources without; digits is none"));
        assert!(message(&DataOptions { b: String::new(), ..digits }).contains("needs a second set of images"));
        let moons = DataOptions { b: "moons".into(), ..DataOptions::default() };
        assert!(message(&moons).contains("moons are points, not images"));
        let absent = DataOptions { b: "absent".into(), ..folder.both(Pairs::None) };
        assert!(message(&absent).starts_with("no file or folder 'absent'"));
        let sharded = DataOptions { shard: 4, ..folder.both(Pairs::None) };
        assert_eq!(message(&sharded), "two sets of images without pairs need data.shard = 0 (got 4)");
        let stacked = DataOptions { stacked: 4, ..folder.both(Pairs::None) };
        assert_eq!(message(&stacked), "data.stacked must be 0 for two sides of images (got 4)");
        folder.fill("c", 1, 50);
        let single = DataOptions { b: folder.path("c"), ..folder.both(Pairs::None) };
        assert!(message(&single).ends_with("c holds one image; add at least one more"), "{}", message(&single));
    }
}
