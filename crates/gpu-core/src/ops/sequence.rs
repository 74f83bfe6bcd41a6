//! Sequences of codes, which are bytes of text or of sound: windows of them for training, and the past that a network
//! of causal convolutions keeps while it draws one position after another (van den Oord et al., *WaveNet: a generative
//! model for raw audio*, 2016; Le Paine et al., *Fast WaveNet generation algorithm*, 2016).
//!
//! The clock is `u32 [4]`, whose first word is the step: of training, or the position that is drawn, counted from one.

use crate::random::{Stream, key};
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`SEQUENCE_WINDOWS`].
    pub struct WindowsParams {
        /// Codes of all windows.
        len: u32,
        /// Bytes of a row of the data.
        width: u32,
        /// Codes of a window.
        length: u32,
        /// Positions at which a window may start.
        choices: u32,
        /// The number of windows that precede them in the batch.
        first: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
    }
}

params! {
    /// The uniform of [`SEQUENCE_PUSH`].
    pub struct PushParams {
        /// Numbers of a slot.
        len: u32,
        /// Slots of the ring.
        slots: u32,
    }
}

params! {
    /// The uniform of [`SEQUENCE_PAST`].
    pub struct PastParams {
        /// Numbers of all windows.
        len: u32,
        /// Numbers of a slot.
        row: u32,
        /// Channels.
        c: u32,
        /// Taps of a window.
        taps: u32,
        /// Positions between taps.
        dilation: u32,
        /// Positions between the last tap and the position of the clock.
        delay: u32,
        /// Slots of the ring.
        slots: u32,
    }
}

params! {
    /// The uniform of [`SEQUENCE_CHOOSE`].
    pub struct ChooseParams {
        /// Rows.
        len: u32,
        /// Columns of the given and of the placed codes.
        width: u32,
        /// Different codes; a given word that is not below is none.
        k: u32,
    }
}

const INVOCATIONS: usize = 64;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    params: &'static [(&'static str, &'static str)],
    reference: Functions,
    gradient: Gradient,
) -> Kernel {
    Kernel {
        name,
        op: "sequence",
        source: shader!("sequence", "grid", "philox"),
        bindings,
        params,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// codes `u32 [rows, length]`: windows of rows of bytes, each from a random position of its row on.
pub static SEQUENCE_WINDOWS: Kernel = kernel(
    "sequence_windows",
    &[read("data").of_u32().in_part(), read("order").of_u32(), read("clock").of_u32(), write("codes").of_u32()],
    WindowsParams::FIELDS,
    functions!(reference::sequence::sequence_windows),
    Gradient::None("words"),
);

/// The slot of the clock's position in the ring [slots, rows, c] = x [rows, c].
pub static SEQUENCE_PUSH: Kernel = kernel(
    "sequence_push",
    &[read("x"), update("ring"), read("clock").of_u32()],
    PushParams::FIELDS,
    functions!(reference::sequence::sequence_push),
    Gradient::None("the state of a draw"),
);

/// window [rows, taps, c] = the slots of earlier positions.
pub static SEQUENCE_PAST: Kernel = kernel(
    "sequence_past",
    &[read("past").in_part(), write("window"), read("clock").of_u32()],
    PastParams::FIELDS,
    functions!(reference::sequence::sequence_past),
    Gradient::None("the state of a draw"),
);

/// code `u32 [rows]` = the given one, if there is one, else the drawn one; a column of `placed` = code.
pub static SEQUENCE_CHOOSE: Kernel = kernel(
    "sequence_choose",
    &[
        read("given").of_u32().in_part(),
        read("drawn").of_u32(),
        read("clock").of_u32(),
        write("code").of_u32(),
        update("placed").of_u32(),
    ],
    ChooseParams::FIELDS,
    functions!(reference::sequence::sequence_choose),
    Gradient::None("words"),
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&SEQUENCE_WINDOWS, &SEQUENCE_PUSH, &SEQUENCE_PAST, &SEQUENCE_CHOOSE];

/// The windows of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Windows {
    /// Bytes of a row of the data.
    pub width: usize,
    /// Codes of a window, at most the width of a row.
    pub length: usize,
    /// The number of windows that precede these in their batch: parts of a batch have the windows of the whole.
    pub first: usize,
    /// The seed of their positions.
    pub seed: u64,
    /// The stream of their positions.
    pub stream: Stream,
}

/// Windows of rows `order`, `u32 [rows]`, of `data`, rows of bytes as [`pack`](crate::ops::gather::pack) stores them:
/// codes `u32 [rows, length]`. A window that is as long as a row is the row; a shorter one starts at a random position.
///
/// # Panics
/// If a window is empty or longer than a row, `data` has less than a row or more than 2³² bytes, or `clock` is not
/// `[4]`.
pub fn windows(s: &mut Schedule, label: &str, data: Buf, order: Buf, clock: Buf, of: Windows) -> Buf {
    let Windows { width, length, first, seed, stream } = of;
    let bytes = 4 * data.len() as u64;
    assert!((1..=width).contains(&length), "{label}: windows of {length} of rows of {width}");
    assert!((width as u64..=1 << 32).contains(&bytes), "{label}: {bytes} bytes for rows of {width}");
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let codes = s.scratch_of([order.len(), length], Dtype::U32);
    let [key0, key1] = key(seed);
    let params = WindowsParams {
        len: codes.len() as u32,
        width: width as u32,
        length: length as u32,
        choices: (width - length + 1) as u32,
        first: first as u32,
        stream: stream as u32,
        key0,
        key1,
    };
    s.push(&SEQUENCE_WINDOWS, label, &[data, order, clock, codes], &params, grid(codes), 0);
    codes
}

/// Stores x [rows, c] in the ring [slots, rows, c] as the values of the clock's position.
///
/// # Panics
/// If the ring does not have whole slots of x's size, or `clock` is not `[4]`.
pub fn push(s: &mut Schedule, label: &str, x: Buf, ring: Buf, clock: Buf) {
    let slots = slots(label, ring, x.len(), clock);
    let params = PushParams { len: x.len() as u32, slots: slots as u32 };
    s.push(&SEQUENCE_PUSH, label, &[x, ring, clock], &params, grid(x), 0);
}

/// The taps of a causal convolution, as it sees a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taps {
    /// Taps of a window.
    pub count: usize,
    /// Positions between taps.
    pub dilation: usize,
    /// Positions between the last tap and the position that is computed: 0 or 1.
    pub delay: usize,
}

impl Taps {
    /// Slots of a ring that keeps every position that the taps see, beside the newest.
    pub fn slots(self) -> usize {
        (self.count - 1) * self.dilation + self.delay + 1
    }
}

/// The values at the taps of a ring [slots, rows, c], before or at the clock's position, the oldest first: [rows, taps,
/// c]. They are those that were [`push`]ed; slots of positions before the first have what the ring held.
///
/// # Panics
/// If the ring has another number of slots than the taps need, or `clock` is not `[4]`.
pub fn past(s: &mut Schedule, label: &str, ring: Buf, rows: usize, taps: Taps, clock: Buf) -> Buf {
    let c = ring.shape.cols();
    let slots = slots(label, ring, rows * c, clock);
    assert_eq!(slots, taps.slots(), "{label}: a ring of {} for {taps:?}", ring.shape);
    let window = s.scratch([rows, taps.count, c]);
    let params = PastParams {
        len: window.len() as u32,
        row: (rows * c) as u32,
        c: c as u32,
        taps: taps.count as u32,
        dilation: taps.dilation as u32,
        delay: taps.delay as u32,
        slots: slots as u32,
    };
    s.push(&SEQUENCE_PAST, label, &[ring, window, clock], &params, grid(window), 0);
    window
}

/// The codes of a position, `u32 [rows]`: those of column (position − 1) mod width of `given`, `u32 [rows, width]`,
/// where they are below `k`, elsewhere the `drawn` ones. They are stored in the same column of `placed`.
///
/// # Panics
/// If there are other rows of given or placed codes than drawn ones, or `clock` is not `[4]`.
pub fn choose(s: &mut Schedule, label: &str, given: Buf, drawn: Buf, k: usize, clock: Buf, placed: Buf) -> Buf {
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let (rows, width) = (drawn.len(), given.shape.cols());
    let fits = given.shape == placed.shape && given.shape.rows() == rows;
    assert!(fits, "{label}: {} and {} for {rows} rows", given.shape, placed.shape);
    let code = s.scratch_of([rows], Dtype::U32);
    let params = ChooseParams { len: rows as u32, width: width as u32, k: k as u32 };
    s.push(&SEQUENCE_CHOOSE, label, &[given, drawn, clock, code, placed], &params, grid(code), 0);
    code
}

/// Slots of a ring, each of `row` numbers.
fn slots(label: &str, ring: Buf, row: usize, clock: Buf) -> usize {
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    assert!(ring.len().is_multiple_of(row), "{label}: a ring of {} for slots of {row}", ring.shape);
    ring.len() / row
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
