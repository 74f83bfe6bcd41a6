//! Plain words: no retired name, and sentences of documentation that begin with a noun or a verb.
//! `TIDY_PRINT=words cargo test --test tidy words -- --nocapture` prints a count for each file, then each line.

use crate::files::{File, assert_none, files};
use std::collections::BTreeMap;

/// Retired words and their replacements. Names are read in pieces: `JudgeSpec` and `judge_spec` are "judge spec".
const RETIRED: &[(&str, &str)] = &[
    ("told", "class-conditional, given, named"),
    ("pins", "shared buffers"),
    ("pace", "submit loop, rate"),
    ("picking", "variant policy"),
    ("hazard", "barrier, data race"),
    ("hazards", "barriers, data races"),
    ("meter", "counters, roofline"),
    ("judge", "classifier, evaluate"),
    ("judges", "classifies, evaluates"),
    ("judged", "classified, evaluated"),
    ("trouble", "recovery, failure"),
    ("guard", "monitor"),
    ("guards", "monitors"),
    ("guarded", "monitored"),
    ("diagnosis", "NaN search"),
    ("criterion", "best metric"),
    ("critic", "discriminator"),
    ("game", "GAN loss, GAN"),
    ("games", "GAN losses, GANs"),
    ("stray", "failed, unexpected"),
    ("said", "printed, stated"),
    ("stands", "is"),
    ("besides", "and, also"),
    ("beside each", "next to each, with each"),
    ("comes to", "is, gives"),
    ("goes on", "continues, resumes"),
    ("go on with", "resume, continue"),
    ("as it should be", "passed"),
    ("so many", "n, as many"),
    ("the way from one", "interpolate"),
    ("of its own", "separate, its own"),
    ("of their own", "separate, their own"),
    ("stand for", "are, mean"),
    ("stands for", "is, means"),
    ("for want of", "without"),
    ("passed over", "skipped"),
    ("wants", "needs"),
];

/// Words retired in documentation only; code in backticks is excepted.
const RETIRED_IN_DOCS: &[(&str, &str)] = &[("picture", "image"), ("pictures", "images")];

/// Words in which a retired one keeps its plain sense.
const KEPT: &[&str] = &["told apart", "tell apart"];

/// Lines that quote an old name on purpose: part of the path, and the word.
const QUOTED: &[(&str, &str)] = &[
    // History.
    ("CHANGELOG.md", ""),
    ("benches/runs/", ""),
    ("tests/tidy/words.rs", ""),
    // Files of version 0.1.0, and their readers.
    ("tests/fixtures/", ""),
    ("crates/cli/src/config/renamed.rs", ""),
    ("crates/cli/tests/migration.rs", "critic"),
    ("crates/cli/tests/migration.rs", "guards"),
    ("scripts/open_in_torch.py", "critic"),
    ("crates/cli/src/run/metrics.rs", "guard"),
];

/// Words that begin no sentence of documentation, questions aside.
const OPENINGS: [&str; 5] = ["What", "How", "Whether", "Where", "Which"];

/// The offences of a file: line and message.
type Offences = Vec<(usize, String)>;

fn is_quoted(path: &str, word: &str) -> bool {
    QUOTED.iter().any(|(within, quoted)| path.contains(within) && (quoted.is_empty() || *quoted == word))
}

/// The words of a line in lower case, one space between them and around them. Camel case and underscores part words.
fn words(line: &str) -> String {
    let mut text = String::from(" ");
    let mut lower = false;
    for c in line.chars() {
        if c.is_alphanumeric() || c == '\'' {
            if c.is_uppercase() && lower {
                text.push(' ');
            }
            text.extend(c.to_lowercase());
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
        lower = c.is_lowercase();
    }
    text.push(' ');
    text
}

fn retired(file: &File) -> Offences {
    let mut found = Offences::new();
    for (number, line) in file.lines() {
        let mut text = words(line);
        for kept in KEPT {
            text = text.replace(&format!(" {kept} "), " ");
        }
        for (word, plain) in RETIRED.iter().filter(|(word, _)| !is_quoted(&file.path, word)) {
            if text.contains(&format!(" {word} ")) {
                found.push((number, format!("'{word}' is retired: {plain}")));
            }
        }
    }
    found
}

fn retired_in_docs(file: &File) -> Offences {
    let mut found = Offences::new();
    for (number, line) in documentation(file).into_iter().flatten() {
        let text = words(&line.split('`').step_by(2).collect::<Vec<_>>().join(" "));
        for (word, plain) in RETIRED_IN_DOCS.iter().filter(|(word, _)| text.contains(&format!(" {word} "))) {
            found.push((number, format!("'{word}' is retired: {plain}")));
        }
    }
    found
}

/// Lines of documentation: doc comments, help texts, and Markdown outside code. Each with its number; `None` parts
/// paragraphs.
fn documentation(file: &File) -> Vec<Option<(usize, String)>> {
    let mut code = false;
    let markdown = file.is("md");
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let trimmed = line.trim_start();
        let doc = ["///", "//!"].iter().find_map(|mark| trimmed.strip_prefix(mark)).map(str::trim);
        let text = match (markdown, doc) {
            (true, _) => Some(trimmed),
            (false, Some(doc)) if file.is("rs") => Some(doc),
            _ => None,
        };
        if text.is_some_and(|text| text.starts_with("```")) {
            code = !code;
        }
        let text = text.filter(|text| !code && !text.is_empty() && !text.starts_with("```"));
        let help = ["help = \"", "about = \""].iter().find_map(|mark| line.split_once(mark)).map(|(_, help)| help);
        match (text, help) {
            (Some(text), _) => {
                let item = text.starts_with(['#', '-', '*', '|']) || text.starts_with(|c: char| c.is_ascii_digit());
                if item {
                    found.push(None);
                }
                let plain = text.trim_start_matches(|c: char| "#-*|_ ".contains(c));
                found.push(Some((number, plain.to_string())));
                if text.starts_with(['#', '|']) {
                    found.push(None);
                }
            }
            (None, Some(help)) if file.is("rs") => {
                found.extend([None, Some((number, help.split('"').next().unwrap_or_default().to_string())), None]);
            }
            _ => found.push(None),
        }
    }
    found.push(None);
    found
}

/// Sentences of documentation that begin with a word of [`OPENINGS`] and do not ask.
fn openings(file: &File) -> Offences {
    let mut found = Offences::new();
    let mut paragraph: Vec<(usize, String)> = Vec::new();
    for line in documentation(file) {
        match line {
            Some(line) => paragraph.push(line),
            None => sentences(&std::mem::take(&mut paragraph), &mut found),
        }
    }
    found
}

fn sentences(paragraph: &[(usize, String)], found: &mut Offences) {
    let text: Vec<(usize, &str)> =
        paragraph.iter().flat_map(|(number, line)| line.split_whitespace().map(|word| (*number, word))).collect();
    let ends = |word: &str| word.trim_end_matches(['*', '_', ')', '"', '\'', '`', '|']).ends_with(['.', '?', '!']);
    for sentence in text.split_inclusive(|(_, word)| ends(word)) {
        let (Some((number, first)), Some((_, last))) = (sentence.first(), sentence.last()) else { continue };
        let asks = last.contains('?');
        if OPENINGS.contains(&first.trim_matches(|c: char| !c.is_alphabetic())) && !asks {
            found.push((*number, format!("begins with '{first}': begin with a noun or a verb")));
        }
    }
}

/// Lines of comments that begin with a word of [`OPENINGS`] and do not ask.
fn comment_openings(file: &File) -> Offences {
    let mark = if file.is("rs") || file.is("wgsl") { "// " } else { "# " };
    let lines = file.lines().filter(|_| !file.is("md"));
    let comments = lines.filter_map(|(number, line)| Some((number, line.trim_start().strip_prefix(mark)?)));
    let begins = comments.filter_map(|(number, text)| {
        let first = text.split_whitespace().next().unwrap_or_default();
        let offends = OPENINGS.contains(&first.trim_matches(|c: char| !c.is_alphabetic())) && !text.contains('?');
        offends.then(|| (number, format!("begins with '{first}': begin with a noun or a verb")))
    });
    begins.collect()
}

fn is_worded(file: &File) -> bool {
    let kinds = ["rs", "wgsl", "md", "toml", "py", "sh"];
    let script = !file.path.rsplit('/').next().is_some_and(|name| name.contains('.')) && file.text.starts_with("#!");
    script || kinds.iter().any(|kind| file.is(kind))
}

/// Every offence, by file.
fn offences() -> BTreeMap<String, Offences> {
    let worded = files().into_iter().filter(is_worded);
    let found = worded.map(|file| {
        let of_docs =
            if is_quoted(&file.path, "") { Vec::new() } else { [openings(&file), retired_in_docs(&file)].concat() };
        let mut found = [retired(&file), of_docs, comment_openings(&file)].concat();
        found.sort();
        (file.path, found)
    });
    found.filter(|(_, found)| !found.is_empty()).collect()
}

#[test]
fn words_are_plain() {
    let offences = offences();
    if std::env::var("TIDY_PRINT").is_ok_and(|print| print == "words") {
        for (path, found) in &offences {
            println!("{:5} {path}", found.len());
        }
        println!("{:5} together", offences.values().map(Vec::len).sum::<usize>());
    }
    assert_none(
        offences
            .iter()
            .flat_map(|(path, found)| found.iter().map(move |(number, message)| format!("{path}:{number}: {message}")))
            .collect(),
    );
}

#[test]
fn words_are_found() {
    let file = |path: &str, text: &str| File { path: path.to_string(), text: text.to_string() };
    let numbers = |found: Offences| found.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    let names =
        file("a.rs", "fn judge_all() {}\nstruct GameKind;\nlet misjudge = pinsetter;\n// told apart\n// So many.\n");
    assert_eq!(numbers(retired(&names)), [1, 2, 5]);
    let docs = file(
        "b.rs",
        "/// What a kernel is.\n/// A kernel. How\n/// it runs.\n///\n/// Which one? Some\n/// What.\nfn f() {}\n",
    );
    assert_eq!(numbers(openings(&docs)), [1, 2]);
    let page = file(
        "c.md",
        "# What it is\n\n# What is it?\n\n- Where: here\n- so\n  Where\n\n```\nHow\n```\n| Whether | x |\n",
    );
    assert_eq!(numbers(openings(&page)), [1, 5, 12]);
    let pictures = file("e.rs", "/// A picture.\n/// Of [`Picture`].\nlet picture = 1;\n");
    assert_eq!(numbers(retired_in_docs(&pictures)), [1]);
    let comments = file("f.rs", "// What it is.\nlet a = 1; // How\n    // Which?\n    // Where it is.\n// That.\n");
    assert_eq!(numbers(comment_openings(&comments)), [1, 4]);
    let script = file("g.py", "# Whether it is.\n#!/bin/sh\n# That.\n");
    assert_eq!(numbers(comment_openings(&script)), [1]);
    let help = file("d.rs", "#[arg(long, help = \"How many\")]\nlet a = \"How many\";\n");
    assert_eq!(numbers(openings(&help)), [1]);
}
