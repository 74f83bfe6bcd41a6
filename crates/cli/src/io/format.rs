//! Numbers, durations and untrusted text as text for a terminal.

use std::borrow::Cow;
use std::path::Path;

/// Values in a [`sparkline`].
const SPARKS: usize = 16;

/// A number with two to five decimals by its size, or as a power of ten from 10⁷ on.
pub fn short(x: f64) -> String {
    match x.abs() {
        x_abs if x_abs >= 1e7 => format!("{x:.3e}"),
        x_abs if x_abs >= 10.0 => format!("{x:.2}"),
        x_abs if x_abs >= 0.1 || x == 0.0 => format!("{x:.3}"),
        _ => format!("{x:.5}"),
    }
}

/// A duration in seconds, minutes or hours.
pub fn lasting(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6_000.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3_600.0),
    }
}

/// A duration as a clock shows it: `1:05` are 65 seconds, `2:00:00` two hours.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// The text with its control characters escaped, as `\u{1b}`, except for line ends and tabs: names of files and classes
/// must not move the cursor, colour the terminal or reorder a line.
pub fn clean(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.escape_unicode().to_string())
}

/// A path as a word of a shell: in quotes, if it needs them.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), String::from)
}

/// JSON with the control characters of its strings escaped as `\u001b`.
pub fn clean_json(text: &str) -> Cow<'_, str> {
    escaped(text, |c| format!("\\u{:04x}", u32::from(c)))
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return text.into();
    }
    let piece = |c: char| if is_control(c) { escape(c) } else { c.to_string() };
    text.chars().map(piece).collect::<String>().into()
}

/// C0 and C1 without line ends and tabs, the marks that change the direction of text, and line separators.
fn is_control(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && !matches!(c, '\n' | '\t')) || direction || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A line of blocks: the heights of the last 16 values between their minimum and maximum.
pub fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let last = &values[values.len().saturating_sub(SPARKS)..];
    let (least, most) = last.iter().fold((f64::MAX, f64::MIN), |(least, most), &x| (least.min(x), most.max(x)));
    let height = |x: f64| if most > least { ((x - least) / (most - least) * 7.0).round() as usize } else { 0 };
    last.iter().map(|&x| BLOCKS[height(x).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        let paths = ["runs/vae-001", "my runs/a", "it's"];
        assert_eq!(paths.map(|path| quoted(Path::new(path))), ["runs/vae-001", "'my runs/a'", "\"it's\""]);
    }

    #[test]
    fn lines_of_blocks_go_from_the_least_to_the_greatest() {
        assert_eq!(sparkline(&[7.0, 3.5, 0.0]), "█▅▁");
        assert_eq!((sparkline(&[]), sparkline(&[2.0, 2.0])), (String::new(), "▁▁".into()));
        assert_eq!(sparkline(&[9.0; 40]).chars().count(), SPARKS);
        assert_eq!([0.4, 65.0, 7_200.0].map(clock), ["0:00", "1:05", "2:00:00"]);
        assert_eq!([12.34, 600.0, 7_200.0].map(lasting), ["12.3 s", "10 minutes", "2.0 hours"]);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(clean("a\u{1b}[2J\u{9b}b\r\u{202e}c\u{7f}"), "a\\u{1b}[2J\\u{9b}b\\u{d}\\u{202e}c\\u{7f}");
        assert_eq!(clean("two\nlines,\ta tab, ε and 🙂"), "two\nlines,\ta tab, ε and 🙂");
        let json = serde_json::to_string("\u{1b}\u{9b}\u{2067}").unwrap();
        assert_eq!(clean_json(&json), r#""\u001b\u009b\u2067""#);
        assert_eq!(serde_json::from_str::<String>(&clean_json(&json)).unwrap(), "\u{1b}\u{9b}\u{2067}");
    }

    #[test]
    fn numbers_keep_what_tells_something() {
        assert_eq!(
            [105.583, 0.4321, 0.00512, 0.0, -12.0, 1.5e38].map(short),
            ["105.58", "0.432", "0.00512", "0.000", "-12.00", "1.500e38"]
        );
    }
}
