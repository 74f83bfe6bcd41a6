//! Numbers and model families as a page writes them.

use crate::io::format::short;
use models::Family;

/// The full name of a model family.
pub(crate) fn family(name: &str) -> &str {
    Family::find(name).map_or(name, |family| family.title())
}

/// A number for people: integers and large numbers without decimals, with separated thousands.
pub(crate) fn number(x: f64) -> String {
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
    fn numbers_have_few_digits() {
        let written = [32.0, 26749.08, 174.533, 0.0, -0.25, 1234567.0, 1e-7, -3e12].map(number);
        assert_eq!(written, ["32", "26,749", "174.53", "0", "−0.250", "1,234,567", "1.00e−7", "−3.00e12"]);
    }
}
