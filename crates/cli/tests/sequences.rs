//! Models of sequences from the command line: text, sound and a process; samples with prompts; reports; refusals.

mod place;

use place::{Place, stderr};
use serde_json::Value;
use std::fs;

/// A small WaveNet.
const SMALL: &str = "train wavenet --device cpu -q --batch-size 8 --lr 0.01 --set data.length=64 \
                     --set wavenet.length=48 --set wavenet.width=8 --set wavenet.skip=12 --set wavenet.output=12 \
                     --set wavenet.layers=3";

/// A text that repeats itself, with two kinds of lines.
fn put_text(place: &Place, name: &str, word: &str) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("the {word} sat; ").repeat(600)).unwrap();
}

fn eval(place: &Place, run: &str, device: &str) -> Value {
    serde_json::from_str(&place.done(&format!("eval {run} --device {device} --json"))).unwrap()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

#[test]
fn a_text_is_learnt_and_continued() {
    let place = Place::new();
    put_text(&place, "a.txt", "cat");
    let loud = SMALL.replace(" -q", "");
    let printed = stderr(&place.frit(&format!("{loud} --data a.txt --epochs 20 --out run")));
    for words in ["pieces of ", " pieces/s", "pieces: run/samples/000020.txt", "`frit sample run`"] {
        assert!(printed.contains(words), "{words} in {printed}");
    }
    assert!(!printed.contains("image"), "{printed}");
    let found = eval(&place, "run", "cpu");
    let nats = number(&found, "sample_nats");
    assert!(nats < 0.5, "a repeated text has hardly any entropy: {nats}");
    assert!((number(&found, "byte_bits") - nats / std::f64::consts::LN_2).abs() < 1e-6);
    assert!((number(&eval(&place, "run", "gpu"), "sample_nats") - nats).abs() < 1e-3);
    let table = place.done("eval run --device cpu");
    assert!(table.contains("nats/sample") && table.contains("bits/byte"), "{table}");

    place.done("sample run --device cpu --length 100 --top-k 1 --out drawn.txt --prompt the");
    let drawn = fs::read_to_string(place.path("drawn.txt")).unwrap();
    assert!(drawn.starts_with("the") && drawn.len() == 103 && drawn.contains("cat sat; the cat"), "{drawn}");
    let sample = |line: &str| {
        place.done(&format!("sample run {line} --out s.txt"));
        fs::read(place.path("s.txt")).unwrap()
    };
    // The same on the adapter, and of a seed the same whatever the length and the block of positions.
    let long = sample("--device cpu --length 300 --temperature 1.5 --seed 3");
    assert_eq!(long, sample("--device gpu --length 300 --temperature 1.5 --seed 3"));
    assert_eq!(long[..40], sample("--device cpu --length 40 --temperature 1.5 --seed 3"));
    assert!(long != sample("--device cpu --length 300 --temperature 1.5 --seed 4"));
    let several = String::from_utf8_lossy(&sample("--device cpu -n 18 --length 20 --temperature 2")).into_owned();
    assert!(several.contains("── 1 ──") && several.contains("── 18 ──"), "{several}");
    place.done("sample run --device cpu -n 3 --length 20 --files each --out s.txt");
    assert_eq!(fs::read(place.path("each/0002.txt")).unwrap().len(), 20);
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("<h2>Samples after epoch 20</h2>") && page.contains("── 4 ──"));
}

/// Interrupted and resumed is uninterrupted; micro-batches are whole batches but for rounding.
#[test]
fn windows_are_those_of_the_step() {
    let place = Place::new();
    put_text(&place, "a.txt", "dog");
    let constant = format!("{SMALL} --data a.txt --set optimiser.lr_schedule=constant");
    place.done(&format!("{constant} --epochs 4 --out whole"));
    place.done(&format!("{constant} --epochs 2 --out run"));
    place.done("resume run --epochs 4 --device cpu -q");
    let file = |run: &str, name: &str| fs::read(place.path(run).join(name)).unwrap();
    assert!(file("run", "samples/000004.txt") == file("whole", "samples/000004.txt"));
    let weights = |run: &str| {
        let bytes = file(run, "checkpoints/latest.safetensors");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        tensors.tensor("logits.weight").unwrap().data().to_vec()
    };
    assert!(weights("run") == weights("whole"));
    place.done(&format!("{constant} --epochs 4 --micro-batch 3 --out parts"));
    let [whole, parts] = ["whole", "parts"].map(|run| number(&eval(&place, run, "cpu"), "sample_nats"));
    assert!((whole - parts).abs() < 0.02, "{whole} and {parts}");
}

#[test]
fn classes_are_drawn_by_name() {
    let place = Place::new();
    for word in ["cat", "dog"] {
        put_text(&place, &format!("words/{word}/a.txt"), word);
    }
    place.done(&format!("{SMALL} --data words --epochs 8 --out run"));
    for word in ["cat", "dog"] {
        place.done(&format!("sample run --device cpu --class {word} --length 200 --top-k 2 --out s.txt"));
        let text = fs::read_to_string(place.path("s.txt")).unwrap();
        assert!(text.contains(word), "{word}: {text}");
    }
    place.done("sample run --device cpu -n 2 --length 200 --top-k 2 --files each --out s.txt");
    for name in ["0001-cat", "0002-dog"] {
        let text = fs::read_to_string(place.path(&format!("each/{name}.txt"))).unwrap();
        assert!(text.contains(&name[5..]), "{name}: {text}");
    }
}

/// A tone as WAV.
fn put_tone(place: &Place, name: &str, period: f64) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let codes: Vec<u8> = (0..2000)
        .map(|i| frit::io::sound::encode((0.5 * (std::f64::consts::TAU * f64::from(i) / period).sin()) as f32))
        .collect();
    frit::io::sound::write_wav(&path, &codes, 8000).unwrap();
}

#[test]
fn sounds_are_learnt_and_drawn() {
    let place = Place::new();
    (0..4).for_each(|number| put_tone(&place, &format!("tones/{number}.wav"), 20.0 + f64::from(number)));
    place.done(&format!("{SMALL} --data tones --set data.rate=4000 --epochs 3 --out run"));
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("data:audio/wav;base64,") && page.contains("class=\"waveform\""));
    place.done("sample run --device cpu -n 2 --length 100 --prompt tones/0.wav --out two.wav");
    let two = frit::io::sound::read_wav(&place.path("two.wav"), 4000).unwrap();
    // Each has a prompt of 1,000 samples at half the rate; a quarter of a second of silence is between them.
    assert_eq!(two.len(), 2 * 1100 + 1000);
    let inspected = place.done("data inspect tones --set data.length=64");
    assert!(inspected.contains("folder of sound") && inspected.contains("8000 samples a second"), "{inspected}");
}

#[test]
fn the_process_has_an_entropy_rate() {
    let place = Place::new();
    let shown = place.done("data inspect ar2");
    assert!(shown.contains("2.5222 nats/sample"), "{shown}");
    place.done("train wavenet --device cpu -q --steps 3 --set wavenet.width=4 --set wavenet.length=64 --out run");
    let found = eval(&place, "run", "cpu");
    assert!((number(&found, "entropy_rate") - 2.5222).abs() < 1e-3 && number(&found, "sample_nats") > 2.6, "{found}");
    place.done("sample run --device cpu --length 6 --prompt 128 --out s.txt");
    let codes = fs::read_to_string(place.path("s.txt")).unwrap();
    let codes: Vec<u8> = codes.split(' ').map(|code| code.parse().unwrap()).collect();
    assert!(codes.len() == 7 && codes[0] == 128, "{codes:?}");
}

#[test]
fn other_data_and_other_models_are_refused() {
    let place = Place::new();
    put_text(&place, "a.txt", "cat");
    fs::write(place.path("short.txt"), "short").unwrap();
    fs::write(place.path("broken.wav"), "RIFF").unwrap();
    place.done(&format!("{SMALL} --data a.txt --epochs 1 --out run"));
    place.done("train ae --data data --device cpu -q --epochs 1 --hidden 4 --out ae");
    for (line, words) in [
        ("train wavenet --data data --device cpu", &["data.source must be text, sound or ar2"][..]),
        ("train wavenet --data short.txt --device cpu", &["5 bytes", "data.length"]),
        ("train wavenet --data broken.wav --device cpu", &["cannot read the sound", "broken.wav"]),
        ("train wavenet --data a.txt --set data.crop=2 --device cpu", &["data.crop is for images"]),
        (
            "train wavenet --data a.txt --batch-size 4 --set wavenet.length=2000 --device cpu",
            &["data.length, which is 1024"],
        ),
        ("eval run --generative --device cpu", &["has sequences", "without --generative"]),
        ("sample run --seeds 1-3 --device cpu", &["are for images, and the run draws sequences"]),
        ("sample run --out s.png --device cpu", &["written as .txt"]),
        ("sample run --class cat --device cpu", &["class"]),
        ("reconstruct run --device cpu", &["wavenet has no encoder"]),
    ] {
        place.refused(line, words);
    }
    let message = stderr(&place.frit("sample ae --length 3 --device cpu"));
    assert!(message.contains("ae has no prior"), "{message}");
}
