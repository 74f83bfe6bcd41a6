//! What figures are called by people, in what units, and how their numbers are written.

use crate::eval::figures::LINES;
use crate::io::format::short;
use models::Family;

/// Names and units that a curve or a page needs and the table of `frit eval` does not have, or puts otherwise.
const OWN: &[(&str, &str, &str)] = &[
    ("neg_elbo", "−ELBO", "nats/image"),
    ("d_real", "D of real images", ""),
    ("iw_samples", "draws of the bound", "per image"),
    (SPEED, "speed", "images per second"),
];
/// Figures of which the least is the best, where each may stand for itself.
const LEAST: [&str; 5] = ["neg_elbo", "recon", "nmse", "cross_entropy", "errors"];
const SPEED: &str = "images_per_second";
const RATE: &str = "learning_rate";

fn find(key: &str) -> Option<(&'static str, &'static str)> {
    let line = OWN.iter().chain(LINES).find(|(known, ..)| *known == key);
    line.map(|(_, name, unit)| (*name, *unit))
}

/// A figure's name: its key with spaces, where it is not known.
pub fn name(key: &str) -> String {
    find(key).map_or_else(|| key.replace('_', " "), |(name, _)| name.into())
}

/// Its unit; empty where it has none.
pub fn unit(key: &str) -> &'static str {
    find(key).map_or("", |(_, unit)| unit)
}

/// Whether its least value is its best.
pub fn least_is_best(key: &str) -> bool {
    LEAST.contains(&key)
}

/// Whether its axis begins at zero: where it goes up and down, what counts is by how much of it.
pub fn from_zero(key: &str) -> bool {
    [SPEED, RATE].contains(&key)
}

/// Its place among the others: that in the table of `frit eval`; then those that are not there; learning rate and speed
/// are the last.
pub fn rank(key: &str) -> usize {
    let known = LINES.iter().position(|(known, ..)| *known == key);
    match key {
        SPEED => usize::MAX,
        RATE => usize::MAX - 1,
        _ => known.unwrap_or(LINES.len()),
    }
}

/// A model family, spelled out.
pub fn family(name: &str) -> &str {
    Family::find(name).map_or(name, |family| family.title())
}

/// A number as people write it: whole ones and large ones without decimals, thousands apart.
pub fn number(x: f64) -> String {
    match x.abs() {
        x_abs if !(1e-4..1e9).contains(&x_abs) && x != 0.0 => format!("{x:.2e}").replace('-', "−"),
        x_abs if x_abs >= 10_000.0 || x.fract() == 0.0 => thousands(&format!("{x:.0}")),
        _ => short(x).replace('-', "−"),
    }
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("−", digits));
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or("")).collect();
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let written = [32.0, 26749.08, 174.533, 0.0, -0.25, 1234567.0, 1e-7, -3e12].map(number);
        assert_eq!(written, ["32", "26,749", "174.53", "0", "−0.250", "1,234,567", "1.00e−7", "−3.00e12"]);
    }

    #[test]
    fn what_is_not_known_goes_by_its_key() {
        assert_eq!((name("peak_bytes").as_str(), unit("peak_bytes")), ("peak bytes", ""));
        assert!(["neg_elbo", "kl", "peak_bytes", "images_per_second"].is_sorted_by_key(|key| rank(key)));
        assert!(least_is_best("nmse") && !least_is_best("d_loss") && !least_is_best("peak_bytes"));
    }
}
