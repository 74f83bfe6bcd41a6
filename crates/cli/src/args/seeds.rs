//! Lists of random seeds.

use std::str::FromStr;

/// Seeds in a list, at most.
const MAX: usize = 10_000;

/// Seeds, in order: `0-35`, or `1,5,9-12`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seeds(pub(crate) Vec<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || "expected seeds and ranges, such as 0-35 or 1,5,9-12".to_string();
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| invalid());
        let mut seeds = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("{first} is larger than {last}"));
            }
            if last - first >= (MAX - seeds.len()) as u64 {
                return Err(format!("more than {MAX} seeds"));
            }
            seeds.extend(first..=last);
        }
        Ok(Self(seeds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_seeds_in_order() {
        let seeds = |text: &str| text.parse::<Seeds>().map(|Seeds(seeds)| seeds);
        assert_eq!(seeds("0-3").unwrap(), [0, 1, 2, 3]);
        assert_eq!(seeds("1,5, 9-11,5").unwrap(), [1, 5, 9, 10, 11, 5]);
        assert_eq!(seeds("18446744073709551615").unwrap(), [u64::MAX]);
        assert_eq!(seeds("0-9999").unwrap().len(), MAX);
        for text in ["", "a", "1,", "1-2-3", "-1", "1.5"] {
            assert!(seeds(text).unwrap_err().starts_with("expected seeds"), "{text}");
        }
        assert_eq!(seeds("3-1").unwrap_err(), "3 is larger than 1");
        for text in ["0-10000", "7,0-9999", "0-18446744073709551615"] {
            assert_eq!(seeds(text).unwrap_err(), "more than 10000 seeds", "{text}");
        }
    }
}
