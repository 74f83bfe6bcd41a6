//! Sequences drawn from a model of sequences, and the files that they are saved to.

use crate::data::{DataSet, Sequence, entropy_rate};
use crate::eval::draw::with_drawing_weights;
use crate::eval::measures::Evaluation;
use crate::io::error::{Error, ErrorKind, Result, ensure};
use crate::io::files;
use crate::io::sound::{SILENCE, wav};
use crate::run::session::Session;
use gpu_core::ops::categorical::Drawing;
use gpu_core::{Array, Program};
use models::{MAX_POSITIONS, SEQUENCE_BLOCK, SEQUENCE_ROWS};
use serde_json::json;
use std::path::Path;

/// Positions of a submit: few milliseconds on a device, so that its watchdog has no reason to act.
const AT_ONCE: usize = 16;
/// A word that is no code: the code of its position is drawn.
const NONE: u32 = u32::MAX;
/// Silence between sounds of one file, in seconds.
const PAUSE: f64 = 0.25;
/// Sequences of one preview, and their codes, at most.
const PREVIEWED: usize = 4;
const PREVIEW: usize = 2048;

/// A request for sequences.
#[derive(Clone, PartialEq, Debug)]
pub struct Wanted {
    /// Sequences.
    pub count: usize,
    /// Codes that are drawn for each.
    pub length: usize,
    /// The class of all, of a class-conditional model; `None` for each in turn.
    pub class: Option<usize>,
    /// Codes that every sequence begins with, before those that are drawn.
    pub prompt: Vec<u8>,
}

/// Sequences on the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sequences {
    /// The codes of each.
    pub codes: Vec<Vec<u8>>,
    /// The class of each, of a class-conditional model.
    pub classes: Option<Vec<usize>>,
    /// Their kind.
    pub kind: Sequence,
}

/// Draws sequences, prepared once.
pub struct SequenceSampling {
    begin: Program,
    step: Program,
    rows: usize,
}

impl SequenceSampling {
    /// Prepares draws of at most `rows` sequences at once; `None` for a model of images. They are drawn with the
    /// running average of the weights if the configuration says so.
    ///
    /// # Errors
    /// Those of the device.
    pub fn prepare(session: &mut Session, rows: usize, seed: u64, drawing: Drawing) -> Result<Option<Self>> {
        let rows = rows.clamp(1, SEQUENCE_ROWS);
        let Some(sequencer) = session.model.sequencer() else { return Ok(None) };
        let schedules = [sequencer.begin(rows), sequencer.step(rows, seed, drawing)];
        let [begin, step] = schedules.map(|schedule| with_drawing_weights(session, schedule));
        let (begin, step) = (session.executor.prepare(&begin)?, session.executor.prepare(&step)?);
        Ok(Some(Self { begin, step, rows }))
    }

    /// Draws sequences. Those of a seed are the same whatever the length; `rows` at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there are too many positions, and those of the device.
    pub fn run(&self, session: &mut Session, wanted: &Wanted) -> Result<Sequences> {
        let Wanted { count, length, class, ref prompt } = *wanted;
        let total = prompt.len().saturating_add(length);
        ensure!(
            (1..MAX_POSITIONS).contains(&total),
            Setting,
            "a sequence must have 1 to {} codes (got {total}); set --length",
            MAX_POSITIONS - 1
        );
        // Positions of later batches would have the numbers of earlier ones.
        let most = self.rows * (u32::MAX as usize / MAX_POSITIONS);
        ensure!(count <= most, Setting, "too many sequences for one seed (got {count}, at most {most}); draw fewer");
        let mut codes = Vec::with_capacity(count);
        for (batch, first) in (0..count).step_by(self.rows).enumerate() {
            session.ask(first, class)?;
            session.set_side_clock(0)?;
            let rows = self.batch(session, batch as u32, prompt, total)?;
            codes.extend(rows.into_iter().take(count - first));
        }
        let known = session.data.classes.len();
        let labelled = session.model.buffers().first().labels.is_some();
        let classes = labelled.then(|| (0..count).map(|row| class.unwrap_or(row % known)).collect());
        Ok(Sequences { codes, classes, kind: session.data.sequence.unwrap_or(Sequence::Text) })
    }

    /// One sequence for each row.
    fn batch(&self, session: &mut Session, batch: u32, prompt: &[u8], total: usize) -> Result<Vec<Vec<u8>>> {
        let buffers = session.model.sequencer().expect("prepared for one").draw_buffers();
        let executor = session.executor.as_mut();
        executor.write(buffers.clock, &Array::U32(vec![batch * MAX_POSITIONS as u32, 0, 0, 0]))?;
        let ticket = executor.submit(&[self.begin], 1, &[])?;
        executor.wait(ticket)?;
        let mut rows = vec![Vec::with_capacity(total); self.rows];
        for start in (0..total).step_by(SEQUENCE_BLOCK) {
            let end = total.min(start + SEQUENCE_BLOCK);
            let given = |at: usize| prompt.get(start + at).map_or(NONE, |&code| code.into());
            let block: Vec<u32> = (0..SEQUENCE_BLOCK).map(given).collect();
            executor.write(buffers.given, &Array::U32(block.repeat(SEQUENCE_ROWS)))?;
            for from in (start..end).step_by(AT_ONCE) {
                let ticket = executor.submit(&[self.step], (end - from).min(AT_ONCE) as u32, &[])?;
                executor.wait(ticket)?;
            }
            let drawn = executor.read(buffers.drawn)?;
            let drawn = drawn.as_u32().expect("codes are words");
            for (row, codes) in rows.iter_mut().enumerate() {
                codes.extend(drawn[row * SEQUENCE_BLOCK..][..end - start].iter().map(|&code| code as u8));
            }
        }
        Ok(rows)
    }
}

/// Draws sequences of a model, which must be one of sequences.
///
/// # Errors
/// [`ErrorKind::Model`] if it is another model, and those of [`SequenceSampling::run`].
pub fn sequences(session: &mut Session, wanted: &Wanted, seed: u64, drawing: Drawing) -> Result<Sequences> {
    let name = session.config.name();
    let sampling = SequenceSampling::prepare(session, wanted.count, seed, drawing)?;
    let missing = || Error::new(ErrorKind::Model, format!("{name} draws no sequences; use a run of wavenet"));
    sampling.ok_or_else(missing)?.run(session, wanted)
}

/// The request of a preview: few sequences, so short that they take a second or less.
pub(crate) fn preview(data: &DataSet) -> Wanted {
    Wanted { count: PREVIEWED, length: data.width.min(PREVIEW), class: None, prompt: Vec::new() }
}

impl Sequences {
    /// The contents of a file with one of the sequences: text, a WAV file, or the codes of a process as numbers.
    pub fn file(&self, number: usize) -> Vec<u8> {
        rendered(&self.codes[number], self.kind)
    }

    /// The contents of a file with all sequences: texts under their number and class if there are several, sounds one
    /// after another.
    pub fn joined(&self, classes: &[String]) -> Vec<u8> {
        if let Sequence::Sound { rate } = self.kind {
            let pause = vec![SILENCE; (PAUSE * f64::from(rate)) as usize];
            return wav(&self.codes.join(&pause[..]), rate);
        }
        if let [only] = &self.codes[..] {
            return rendered(only, self.kind);
        }
        let titled = |number: usize| {
            let class = self.classes.as_ref().map(|of| format!(", {}", classes[of[number]])).unwrap_or_default();
            let title = format!("{}── {}{class} ──\n", if number > 0 { "\n\n" } else { "" }, number + 1);
            [title.into_bytes(), self.file(number)].concat()
        };
        (0..self.codes.len()).flat_map(titled).collect()
    }

    /// Saves all sequences in one file.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if it cannot be written.
    pub fn save(&self, path: &Path, classes: &[String]) -> Result<()> {
        files::write(path, &self.joined(classes))
    }

    /// Saves each sequence in a file of a folder: `0001.txt`, and of a class-conditional model `0001-name.txt`.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if one cannot be written.
    pub fn save_each(&self, folder: &Path, classes: &[String]) -> Result<()> {
        files::create_folder(folder)?;
        for number in 0..self.codes.len() {
            let class = self.classes.as_ref().map(|of| format!("-{}", classes[of[number]].replace(['/', '\\'], "_")));
            let name = format!("{:04}{}.{}", number + 1, class.unwrap_or_default(), self.kind.ending());
            files::write(&folder.join(name), &self.file(number))?;
        }
        Ok(())
    }
}

/// Codes as the contents of a file.
fn rendered(codes: &[u8], kind: Sequence) -> Vec<u8> {
    match kind {
        Sequence::Text => codes.to_vec(),
        Sequence::Sound { rate } => wav(codes, rate),
        Sequence::Process => codes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ").into_bytes(),
    }
}

/// The entropy rate of the process that the test codes are of; empty for other data.
pub(crate) fn entropy(data: &DataSet) -> Evaluation {
    let of_process = data.sequence == Some(Sequence::Process);
    let rate = of_process.then(|| ("entropy_rate".to_string(), json!(entropy_rate(&data.test.images))));
    Evaluation::from_iter(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sound::read_wav;

    fn of(kind: Sequence, codes: &[&[u8]], classes: Option<Vec<usize>>) -> Sequences {
        Sequences { codes: codes.iter().map(|codes| codes.to_vec()).collect(), classes, kind }
    }

    #[test]
    fn files_have_texts_sounds_and_numbers() {
        let names = ["a/b".to_string(), "c".into()];
        assert_eq!(of(Sequence::Text, &[b"one"], None).joined(&names), b"one");
        let two = of(Sequence::Text, &[b"one", b"two"], Some(vec![1, 0]));
        assert_eq!(String::from_utf8(two.joined(&names)).unwrap(), "── 1, c ──\none\n\n── 2, a/b ──\ntwo");
        assert_eq!(of(Sequence::Process, &[&[7, 200]], None).joined(&names), b"7 200");
        let folder = tempfile::tempdir().unwrap();
        two.save_each(&folder.path().join("each"), &names).unwrap();
        assert_eq!(std::fs::read(folder.path().join("each/0002-a_b.txt")).unwrap(), b"two");
        let sounds = of(Sequence::Sound { rate: 8000 }, &[&[200; 50], &[10; 70]], None);
        let path = folder.path().join("both.wav");
        sounds.save(&path, &names).unwrap();
        assert_eq!(read_wav(&path, 8000).unwrap().len(), 50 + 2000 + 70);
    }
}
