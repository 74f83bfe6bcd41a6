//! Exported models: pages in a browser make the images of the program.

#[path = "../browser/mod.rs"]
mod browser;
// The tests of the command line use the rest of it.
#[allow(dead_code)]
#[path = "../place/mod.rs"]
mod place;
mod sequences;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frit::data::OwnPicture;
use frit::eval::latents::{latents, pictures_of_latents};
use frit::eval::translator::translate_images;
use frit::eval::{OpenOptions, Opened, open, sample};
use frit::run::device::DeviceOptions;
use frit::train::{Event, Length, ResumeOptions, resume};
use frit::{DeviceChoice, Terminal};
use gpu_core::Array;
use models::Side;
use models::capabilities::Extraction;
use place::Place;
use serde_json::Value;
use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::rc::Rc;

/// The largest difference of a pixel.
const CLOSE: f64 = 1e-4;
/// Arguments of a training run.
const TRAIN: &str = "--device cpu -q --batch-size 32 --steps 12 --lr 0.01";

/// Small models: the run, and the arguments of `frit train`.
const RUNS: [(&str, &str); 15] = [
    ("vae", "vae --data data --hidden 16 --latent-dim 3"),
    ("cvae", "cvae --data data --hidden 24 --latent-dim 3"),
    ("ae", "ae --data data --hidden 12 --latent-dim 3"),
    ("dcgan", "dcgan --data data --latent-dim 5 --set gan.width=4"),
    (
        "flow",
        "flow-matching --data data --set flow.width=4 --set flow.halvings=1 --set flow.steps=3 \
         --set optimiser.lr_schedule=constant",
    ),
    (
        "vqvae",
        "vqvae --data data --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1",
    ),
    ("prior", "prior --codes vqvae --set prior.width=8 --set prior.layers=2 --set prior.output=8"),
    ("realnvp", "realnvp --latents ae --hidden 16 --set realnvp.layers=4"),
    ("pixelcnn", "pixelcnn --data data --set pixelcnn.width=4 --set pixelcnn.layers=1 --set pixelcnn.output=4"),
    ("points", "points-gan --hidden 16 --latent-dim 3 --set data.points=1024"),
    (
        "cyclegan",
        "cyclegan --data a --data-b b --set cyclegan.width=4 --set cyclegan.blocks=1 --set cyclegan.halvings=1",
    ),
    ("restoration", "restoration --data data --corrupt mask:2 --set paired.width=4 --set paired.halvings=1"),
    ("classifier", "classifier --data data --hidden 8"),
    (
        "text",
        "wavenet --data book.txt --set wavenet.layers=2 --set wavenet.width=4 --set data.length=64 \
         --set wavenet.length=64",
    ),
    (
        "sound",
        "wavenet --data sounds --set wavenet.layers=2 --set wavenet.width=4 --set data.length=64 \
         --set wavenet.length=64",
    ),
];

/// Elements of a page that take no focus from the keyboard, or whose purpose a screen reader cannot tell.
const UNREACHABLE: &str = "(() => {
  const name = (one) => one.labels?.[0]?.textContent || one.getAttribute('aria-label') || one.textContent;
  const shown = (one) => !one.closest('[hidden]');
  const controls = [...document.querySelectorAll('input, button, textarea, audio, [tabindex]')].filter(shown);
  const focused = (one) => { one.focus(); return document.activeElement === one; };
  const named = [...controls, ...document.querySelectorAll('canvas, progress')].filter((one) => !name(one)?.trim());
  const silent = controls.filter((one) => one.tabIndex < 0 || !focused(one));
  return [...(controls.length > 0 ? [] : ['no controls']), ...[...named, ...silent].map((one) => one.outerHTML)];
})()";

/// A script that waits for the model of a page, and puts the value of an expression of `model` into the document, with
/// the elements that are [`UNREACHABLE`].
fn asking(expression: &str) -> String {
    format!(
        "<script>(async () => {{
  const out = element('pre', {{ id: 'result' }});
  try {{
    const model = await frit;
    out.textContent = JSON.stringify({{ value: await ({expression}), unreachable: {UNREACHABLE} }});
  }} catch (error) {{
    out.textContent = JSON.stringify({{ error: error.message }});
  }}
  document.body.append(out);
  window.finished = true;
}})();
(function wait() {{ if (!window.finished) setTimeout(wait, 1); }})();</script>"
    )
}

impl Place {
    /// Trains a model of [`RUNS`].
    fn train(&self, name: &str) {
        let (_, arguments) = RUNS.iter().find(|(run, _)| *run == name).unwrap();
        self.done(&format!("train {arguments} {TRAIN} --out {name}"));
    }

    /// Forty images of 12×12 with `pixel(number, x, y)`, in a folder.
    fn put_pictures(&self, folder: &str, pixel: impl Fn(u32, u32, u32) -> [u8; 3]) {
        fs::create_dir_all(self.path(folder)).unwrap();
        for number in 0..40 {
            let picture = image::RgbImage::from_fn(12, 12, |x, y| image::Rgb(pixel(number, x, y)));
            picture.save(self.path(&format!("{folder}/{number}.png"))).unwrap();
        }
    }

    /// The value of an expression in the page of a run.
    fn asked(&self, run: &str, expression: &str) -> Value {
        self.done(&format!("export {run} --html {run}.html -q"));
        self.asked_of(&fs::read_to_string(self.path(&format!("{run}.html"))).unwrap(), expression)
    }

    /// The value of an expression in a page.
    fn asked_of(&self, page: &str, expression: &str) -> Value {
        let path = self.path("asked.html");
        fs::write(&path, [page, &asking(expression)].concat()).unwrap();
        let arguments = ["--enable-unsafe-webgpu", "--dump-dom"];
        let dom = browser::browse(&fs::canonicalize(path).unwrap(), 100_000_000, &arguments);
        let found = dom.split("<pre id=\"result\">").nth(1).and_then(|rest| rest.split("</pre>").next());
        let found = found.unwrap_or_else(|| panic!("the page gives no result: {dom}"));
        let mut result: Value =
            serde_json::from_str(&found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).unwrap();
        assert!(result.get("error").is_none(), "{result}");
        assert_eq!(result["unreachable"], serde_json::json!([]), "controls without a name or a focus");
        result["value"].take()
    }

    /// The run, with its data.
    fn opened(&self, run: &str) -> Opened {
        let device = DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
        open(&self.path(run), &OpenOptions { device, ..OpenOptions::default() }, &Terminal::new(true)).unwrap()
    }
}

/// An expression's arrays of numbers as one: `[...x]` makes a list of an array of floats.
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(|x| x.as_f64().unwrap()).collect()
}

#[track_caller]
fn assert_close(what: &str, page: &Value, program: &[f32]) {
    let page = numbers(page);
    assert_eq!(page.len(), program.len(), "{what}");
    let differences = page.iter().zip(program).map(|(a, b)| (a - f64::from(*b)).abs());
    let most = differences.fold(0.0, f64::max);
    println!("{what}: {} numbers, at most {most:.1e} apart", page.len());
    assert!(most < CLOSE, "{what}: {most} apart");
}

/// False, with a line that says so, if there is no browser.
fn has_browser(test: &str) -> bool {
    let found = browser::browser().is_some();
    if !found {
        println!("skipped: {test}: no browser starts; {}", browser::ADVICE);
    }
    found
}

/// The samples of a seed; of a model of codes also drawn code by code, the numbers of codes that it reports, and what
/// a stop gives.
const DRAWN: &str = "(async () => {
  const images = await model.draw(7);
  const counts = [];
  const coded = model.codes ? await model.drawCodes(7, null, (codes, count) => counts.push(count)) : null;
  const stopped = model.codes ? await model.drawCodes(7, null, () => {}, () => true) : null;
  return [[...images], coded && [...coded], counts, stopped];
})()";

#[test]
fn pages_draw_the_samples_of_the_program() {
    if !has_browser("pages_draw_the_samples_of_the_program") {
        return;
    }
    let place = Place::new();
    place.train("ae");
    place.train("vqvae");
    for run in ["vae", "cvae", "dcgan", "flow", "prior", "realnvp", "pixelcnn", "points"] {
        place.train(run);
        let drawn = place.asked(run, DRAWN);
        let count = if run == "points" { 1000 } else { 16 };
        let expected = sample(&mut place.opened(run).session, count, 7).unwrap();
        assert_close(run, &drawn[0], &expected.values);
        if drawn[1].is_array() {
            assert_close(&format!("{run}, code by code"), &drawn[1], &expected.values);
            let counts = drawn[2].as_array().unwrap();
            let [first, last] = [counts.first(), counts.last()].map(|count| count.unwrap().as_u64().unwrap());
            assert!(first == 1 && last == counts.len() as u64 && drawn[3].is_null(), "{counts:?}");
        }
    }
}

#[test]
fn pages_reconstruct_and_encode() {
    if !has_browser("pages_reconstruct_and_encode") {
        return;
    }
    let place = Place::new();
    for run in ["vae", "cvae", "ae", "vqvae"] {
        place.train(run);
        let Opened { mut session, .. } = place.opened(run);
        let image = &session.data.test.images[..36];
        let expression = format!(
            "(async () => {{
              const image = new Uint8Array({image:?});
              const latent = await model.encoded(image, 0);
              const decoded = await model.decode(latent, 0);
              return [await model.reconstructed(image, 0), latent, decoded].map((numbers) => [...numbers]);
            }})()"
        );
        let found = place.asked(run, &expression);
        let latent = latents(&mut session, vec![0]).unwrap().remove(0);
        let class = [session.data.test.labels[0]];
        let classes = (run == "cvae").then_some(&class[..]);
        let image = pictures_of_latents(&mut session, &Array::F32(latent.clone()), classes).unwrap();
        assert_close(&format!("{run}, reconstructed"), &found[0], &image);
        assert_close(&format!("{run}, encoded"), &found[1], &latent);
        assert_close(&format!("{run}, decoded"), &found[2], &image);
    }
}

#[test]
fn pages_classify() {
    if !has_browser("pages_classify") {
        return;
    }
    let place = Place::new();
    place.train("classifier");
    let Opened { mut session, .. } = place.opened("classifier");
    let image = session.data.test.images[..36].to_vec();
    let found = place.asked("classifier", &format!("model.classified(new Uint8Array({image:?}))"));
    let Extraction { given, pass } = session.model.classifier().unwrap().classes();
    let values: Vec<f32> = image.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    session.executor.write(given, &Array::F32(values)).unwrap();
    let program = session.executor.prepare(&pass.schedule).unwrap();
    let ticket = session.executor.submit(&[program], 1, &pass.outputs[..1]).unwrap();
    let logits = session.executor.wait(ticket).unwrap().remove(0).to_f32();
    let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
    let shares: Vec<f32> = logits.iter().map(|logit| logit.exp() / sum).collect();
    assert_close("classifier", &found, &shares);
}

#[test]
fn pages_translate() {
    if !has_browser("pages_translate") {
        return;
    }
    let place = Place::new();
    place.put_pictures("a", |_, x, y| [(20 * x) as u8, (20 * y) as u8, 40]);
    place.put_pictures("b", |n, x, _| [(200 - 10 * x) as u8, 90, (10 * n) as u8]);
    place.train("cyclegan");
    let Opened { mut session, .. } = place.opened("cyclegan");
    let pixels: Vec<u8> = (0..12 * 12 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let expression = format!(
        "Promise.all(model.translate.map((part) => model.translated(part, new Uint8Array({pixels:?}))))
         .then((made) => made.map(({{ values }}) => [...values]))"
    );
    let found = place.asked("cyclegan", &expression);
    let given = [OwnPicture { name: "given".into(), pixels, size: [12, 12, 3] }];
    for (number, to) in [Side::B, Side::A].into_iter().enumerate() {
        let made = translate_images(&mut session, to, &given, None, usize::MAX).unwrap().remove(0);
        assert_close(&format!("to {}", to.name()), &found[number], &made.values);
    }
}

#[test]
fn pages_complete_images() {
    if !has_browser("pages_complete_images") {
        return;
    }
    let place = Place::new();
    place.train("restoration");
    let Opened { mut session, .. } = place.opened("restoration");
    let pixels = session.data.test.images[..36].to_vec();
    let mask: Vec<u8> = (0..36).map(|at| u8::from(at / 6 < 3 && at % 6 > 1)).collect();
    let expression = format!(
        "model.translated(model.translate[0], new Uint8Array({pixels:?}), new Uint8Array({mask:?}))
         .then(({{ values }}) => [...values])"
    );
    let found = place.asked("restoration", &expression);
    let picture = |pixels| OwnPicture { name: "given".into(), pixels, size: [6, 6, 1] };
    let unknown = picture(mask.iter().map(|&unknown| 255 * unknown).collect());
    let made = translate_images(&mut session, Side::B, &[picture(pixels)], Some(&unknown), usize::MAX).unwrap();
    assert_close("restoration", &found, &made[0].values);
}

/// The losses of the steps of a run up to a number, by column.
fn resumed(place: &Place, run: &str, steps: u64) -> Vec<Vec<f64>> {
    let losses = Rc::new(RefCell::new(Vec::new()));
    let seen = losses.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::Step { losses, .. } = event {
            seen.borrow_mut().push(losses.to_vec());
        }
        ControlFlow::Continue(())
    };
    let length = Length { steps: Some(steps), ..Length::default() };
    resume(ResumeOptions { length, observer: Some(Box::new(observer)), ..ResumeOptions::new(place.path(run)) })
        .unwrap();
    losses.take()
}

#[test]
fn pages_train_as_the_program_does() {
    if !has_browser("pages_train_as_the_program_does") {
        return;
    }
    let place = Place::new();
    for run in ["vae", "dcgan", "flow", "vqvae"] {
        place.train(run);
        // Ten steps to an epoch, the last of them on fewer images.
        place.done(&format!("export {run} --train --html {run}.html -q"));
        let expression = "(async () => {
          await model.trainer.open();
          const losses = [];
          for (let step = 0; step < 20; step += 1) losses.push(await model.trainer.next());
          const bytes = new Uint8Array(await (await model.trainer.file()).arrayBuffer());
          let text = '';
          bytes.forEach((byte) => { text += String.fromCharCode(byte); });
          return [losses, btoa(text)];
        })()";
        let found = place.asked_of(&fs::read_to_string(place.path(&format!("{run}.html"))).unwrap(), expression);
        let latest = place.path(run).join("checkpoints/latest.safetensors");
        let before = fs::read(&latest).unwrap();
        let expected = resumed(&place, run, 32);
        let page: Vec<Vec<f64>> = found[0].as_array().unwrap().iter().map(numbers).collect();
        assert_eq!((page.len(), expected.len()), (20, 20));
        let pairs = page.iter().flatten().zip(expected.iter().flatten());
        let most = pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
        println!("{run}: losses of 20 steps at most {most:.1e} apart");
        assert!(most < 1e-5, "{run}: {page:?} and {expected:?}");

        // The file continues from the page's last step, as the program's own does.
        fs::write(&latest, STANDARD.decode(found[1].as_str().unwrap()).unwrap()).unwrap();
        let after = resumed(&place, run, 35);
        assert!(before != fs::read(&latest).unwrap() && after.len() == 3, "{run}: {after:?}");
    }
}

#[test]
fn pages_show_names_as_text_and_load_nothing() {
    let place = Place::new();
    let hostile = "<img src=x onerror=alert(1)>";
    for class in [hostile, "\"&amp;'"] {
        place.put_pictures(&format!("classes/{class}"), |_, x, y| [(20 * x) as u8, (20 * y) as u8, 40]);
    }
    place.done(&format!("train cvae --data classes --hidden 8 --latent-dim 2 {TRAIN} --out run"));
    fs::rename(place.path("run"), place.path(hostile)).unwrap();
    let output = place.command("export -q --html page.html").arg(hostile).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", place::stderr(&output));
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert!(page.contains("default-src 'none'") && !page.contains("<img"));
    assert!(include_str!("../../src/export/interpreter.js").lines().count() <= 300);
    assert!(!page.contains("http://") && !page.contains(" src=\""), "the page names an address");
    if !has_browser("pages_show_names_as_text_and_load_nothing") {
        return;
    }
    let expression = "[document.images.length, document.title, document.querySelector('.run').textContent,
      ...[...document.querySelectorAll('.choice span')].map((name) => name.textContent)]";
    let found = place.asked_of(&page, expression);
    assert_eq!((&found[0], &found[2]), (&Value::from(0), &Value::from(hostile)));
    let names: Vec<&str> = found.as_array().unwrap()[3..].iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&hostile) && names.contains(&"\"&amp;'"), "{names:?}");
}

#[test]
fn a_plan_has_the_calls_of_a_step() {
    let place = Place::new();
    let json = |line: &str| serde_json::from_str::<Value>(&place.done(line)).unwrap();
    let plan = json("show vae --data data --hidden 8 --plan");
    assert_eq!((&plan["schema"], &plan["columns"][1], &plan["rows"]), (&"plan".into(), &"kl".into(), &256.into()));
    let labels = |calls: &Value| {
        let calls = calls.as_array().unwrap().iter();
        calls.map(|call| call["label"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let step = plan["step"].as_array().unwrap().iter();
    let step: Vec<String> =
        step.flat_map(|n| labels(&plan["programs"][n.as_u64().unwrap() as usize]["calls"])).collect();
    assert_eq!(step, labels(&json("show vae --data data --hidden 8 --json")["steps"]));
    let tensors = plan["tensors"].as_array().unwrap();
    assert!(tensors.iter().any(|tensor| tensor["name"] == "optim.m/decoder.0.weight"));
}
