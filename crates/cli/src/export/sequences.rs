//! Sequences on a page: the programs that draw them one position after another.

use crate::data::Sequence;
use crate::eval::draw::with_drawing_weights;
use crate::export::plan::{Planned, Planner, Range};
use crate::run::session::Session;
use gpu_core::Schedule;
use gpu_core::ops::categorical::Drawing;
use models::capabilities::SequenceBuffers;
use models::{Model, SEQUENCE_BLOCK};
use serde::Serialize;

/// Sequences that a page draws at once.
const ROWS: usize = 4;
/// Codes of a sequence that a page offers to draw, at most.
const LENGTH: usize = 2048;
/// Codes of a prompt and of a sequence after it, at most.
const MOST: usize = 1 << 16;

/// Sequences: the program `begin`, the program `step` for each position, and their buffers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sequences {
    /// `text`, `sound` or `process`.
    pub(super) kind: &'static str,
    /// Samples a second of a sound.
    pub(super) rate: Option<u32>,
    /// Sequences that are drawn at once.
    pub(super) rows: usize,
    /// Codes that a page offers to draw.
    pub(super) length: usize,
    /// Codes of a prompt, and of a sequence after it, at most.
    pub(super) most: usize,
    /// Positions whose codes are on the device at once.
    pub(super) block: usize,
    /// The positions done, `u32 [4]`, of which the host writes the first.
    pub(super) clock: Range,
    /// Codes that are given, `u32 [_, block]`; words above 255 where they are drawn.
    pub(super) given: Range,
    /// Codes, given or drawn, likewise.
    pub(super) drawn: Range,
}

/// The programs, not yet planned.
pub(super) struct SequencePasses {
    programs: [(&'static str, Schedule); 2],
    buffers: SequenceBuffers,
    kind: Sequence,
    length: usize,
}

impl SequencePasses {
    /// The programs of a model of sequences, with the weights that a session of the same configuration draws with.
    pub(super) fn of(session: &Session, model: &dyn Model) -> Option<Self> {
        let sequencer = model.sequencer()?;
        let [begin, step] = [sequencer.begin(ROWS), sequencer.step(ROWS, 0, Drawing::default())]
            .map(|schedule| with_drawing_weights(session, schedule));
        Some(Self {
            programs: [("begin", begin), ("step", step)],
            buffers: sequencer.draw_buffers(),
            kind: session.data.sequence?,
            length: session.data.width.min(LENGTH),
        })
    }

    /// Adds the programs to a plan.
    pub(super) fn add(&self, planner: &mut Planner<'_>) {
        self.programs.iter().for_each(|(name, schedule)| planner.add(*name, schedule.clone()));
    }

    /// The part, by the plan that has the programs.
    pub(super) fn part(&self, planned: &Planned) -> Sequences {
        let SequenceBuffers { clock, given, drawn } = self.buffers;
        let (kind, rate) = match self.kind {
            Sequence::Text => ("text", None),
            Sequence::Sound { rate } => ("sound", Some(rate)),
            Sequence::Process => ("process", None),
        };
        let [clock, given, drawn] = [clock, given, drawn].map(|buf| planned.range(buf));
        let (rows, length, most, block) = (ROWS, self.length, MOST, SEQUENCE_BLOCK);
        Sequences { kind, rate, rows, length, most, block, clock, given, drawn }
    }
}
