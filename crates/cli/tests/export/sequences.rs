//! Pages of texts and sounds.

use super::has_browser;
use super::place::Place;
use frit::eval::sequence::{Wanted, sequences};
use frit::io::sound::wav;
use gpu_core::ops::categorical::Drawing;
use std::fs;

impl Place {
    /// A sound of each of two classes, in a folder.
    fn put_sounds(&self) {
        for class in ["high", "low"] {
            fs::create_dir_all(self.path(&format!("sounds/{class}"))).unwrap();
            let step = if class == "low" { 1 } else { 9 };
            let codes: Vec<u8> = (0..2000).map(|at| (at * step % 200) as u8).collect();
            fs::write(self.path(&format!("sounds/{class}/0.wav")), wav(&codes, 4000)).unwrap();
        }
    }
}

#[test]
fn pages_draw_sequences() {
    if !has_browser("pages_draw_sequences") {
        return;
    }
    let place = Place::new();
    fs::write(place.path("book.txt"), "The quick brown fox jumps over the lazy dog. ".repeat(60)).unwrap();
    place.put_sounds();
    for run in ["text", "sound"] {
        place.train(run);
        // More codes than are on the device at once, after a prompt, as two classes in turn.
        let expression = "model.drawSequences(7, { prompt: [65, 66], length: 300, temperature: 0.55 })
          .then((rows) => rows.map((row) => [...row]))";
        let found = place.asked(run, expression);
        let drawing = Drawing { temperature: 0.55, ..Drawing::default() };
        let wanted = Wanted { count: 4, length: 300, class: None, prompt: b"AB".to_vec() };
        let expected = sequences(&mut place.opened(run).session, &wanted, 7, drawing).unwrap();
        let found: Vec<Vec<u8>> = serde_json::from_value(found).unwrap();
        assert_eq!(found, expected.codes, "{run}");
        let page = fs::read_to_string(place.path(&format!("{run}.html"))).unwrap();
        let file = "wavOf([0, 128, 255], 4000).arrayBuffer().then((bytes) => [...new Uint8Array(bytes)])";
        let made = place.asked_of(&page, file);
        let bytes: Vec<u8> = serde_json::from_value(made).unwrap();
        assert_eq!(bytes, wav(&[0, 128, 255], 4000));
    }
}

/// The seconds of the first sound, and all captions, after a press of the button that draws.
const PLAYED: &str = "new Promise((done) => {
  const player = document.querySelector('audio');
  player.addEventListener('loadedmetadata', () => {
    done([player.duration, ...[...document.querySelectorAll('figcaption')].map((one) => one.textContent)]);
  });
  player.addEventListener('error', () => done({ error: player.error.message }));
  const [, length] = document.querySelectorAll('input[type=number]');
  length.value = 40;
  [...document.querySelectorAll('button')].find((one) => one.textContent === 'Draw').click();
})";

#[test]
fn pages_play_sounds() {
    if !has_browser("pages_play_sounds") {
        return;
    }
    let place = Place::new();
    place.put_sounds();
    place.train("sound");
    let found = place.asked("sound", PLAYED);
    assert_eq!(found, serde_json::json!([0.005, "1: high", "2: low", "3: high", "4: low"]));
}
