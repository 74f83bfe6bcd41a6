//! A schedule: the kernel calls of a model over buffers, in order, as plain data.

use crate::schedule::kernel::Access;
use crate::{ALIGN, Arena, Buf, BufferId, Dtype, Kernel, Params, Shape};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

/// The limit on workgroups along one dimension of a dispatch (WebGPU's default).
pub const MAX_GROUPS: u32 = 65_535;

/// The workgroups of a call.
#[derive(Clone, Copy, Debug)]
pub enum Grid {
    /// A row of workgroups, folded into two dimensions if it exceeds [`MAX_GROUPS`]. Kernels index it by `group_index`
    /// of shaders/common/grid.wgsl and ignore workgroups past the end.
    Linear(usize),
    /// Workgroups along x, y and z.
    Box(usize, usize, usize),
    /// Enough tiles to cover `rows` × `cols` outputs, in rows of tiles along x and y as [`Self::Linear`], and `layers`
    /// along z. The kernel's variant decides the size of a tile.
    Tiles {
        /// Rows of the output.
        rows: usize,
        /// Columns of the output.
        cols: usize,
        /// Partial sums, or other independent grids.
        layers: usize,
    },
}

impl Grid {
    /// The grid of a kernel with eight rows a workgroup: shaders/common/rows.wgsl.
    pub(crate) fn of_rows(count: usize) -> Self {
        Self::Linear(count.div_ceil(8))
    }

    /// Workgroups along x, y and z for tiles of size `tile`; `None` if a dimension is zero or exceeds [`MAX_GROUPS`].
    pub fn groups(self, tile: [usize; 2]) -> Option<[u32; 3]> {
        let max = MAX_GROUPS as usize;
        let [x, y, z] = match self {
            Self::Linear(count) if count <= max => [count, 1, 1],
            Self::Linear(count) => [max, count.div_ceil(max), 1],
            Self::Box(x, y, z) => [x, y, z],
            Self::Tiles { rows, cols, layers } => {
                let tiles = rows.div_ceil(tile[0]) * cols.div_ceil(tile[1]);
                // Rows of equal length leave the fewest workgroups without a tile.
                let folds = tiles.div_ceil(max).max(1);
                [tiles.div_ceil(folds), folds, layers]
            }
        };
        [x, y, z].iter().all(|g| (1..=max).contains(g)).then_some([x as u32, y as u32, z as u32])
    }
}

/// One call of a kernel.
#[derive(Clone, Debug)]
pub struct Call {
    /// The kernel that is called.
    pub kernel: &'static Kernel,
    /// Its buffers, in binding order.
    pub bufs: Vec<Buf>,
    /// Its uniform, as words.
    pub params: Vec<u32>,
    /// Its workgroups.
    pub grid: Grid,
    /// Its location in the model: `decoder.1.backward_weight`.
    pub label: String,
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: u64,
}

impl Call {
    /// The least bytes that the call must move: each buffer once, an updated one twice. A buffer that it touches in
    /// part counts as no more than all the others.
    pub fn bytes(&self) -> u64 {
        let cost = |in_part: bool| {
            let bound = self.kernel.bindings.iter().zip(&self.bufs).filter(move |(of, _)| of.in_part == in_part);
            let bytes = bound.map(|(binding, buf)| match binding.access {
                Access::Update => 2 * buf.bytes(),
                Access::Read | Access::Write => buf.bytes(),
            });
            bytes.sum::<u64>()
        };
        cost(false) + cost(true).min(cost(false))
    }

    /// The parameters that are also pipeline constants.
    pub fn overrides(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.kernel
            .overrides
            .iter()
            .map(|&name| (name, self.param(name).expect("an override is a parameter; tests/contract.rs checks")))
    }

    /// The word of a parameter, if the kernel has it.
    pub fn param(&self, name: &str) -> Option<u32> {
        self.kernel.params.iter().position(|(field, _)| *field == name).map(|field| self.params[field])
    }

    /// The buffers it reads.
    pub fn reads(&self) -> impl Iterator<Item = Buf> + '_ {
        self.with_access(|access| access != Access::Write)
    }

    /// The buffers it writes.
    pub fn writes(&self) -> impl Iterator<Item = Buf> + '_ {
        self.with_access(|access| access != Access::Read)
    }

    fn with_access(&self, keep: fn(Access) -> bool) -> impl Iterator<Item = Buf> + '_ {
        let pairs = self.kernel.bindings.iter().zip(&self.bufs);
        pairs.filter(move |(binding, _)| keep(binding.access)).map(|(_, buf)| *buf)
    }
}

/// The kernel calls of one training step, or of one pass of another kind, in order.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    calls: Vec<Call>,
    scopes: Vec<String>,
    scratch: Vec<Buf>,
    written: HashSet<BufferId>,
    kept: HashSet<BufferId>,
}

static NEXT_SCRATCH: AtomicU32 = AtomicU32::new(0);

impl Schedule {
    /// An empty schedule.
    pub fn new() -> Self {
        Self::default()
    }

    /// The calls, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// All scratch buffers, each over its whole range.
    pub fn scratch_bufs(&self) -> &[Buf] {
        &self.scratch
    }

    /// Adds an intermediate buffer of f32.
    pub fn scratch(&mut self, shape: impl Into<Shape>) -> Buf {
        self.scratch_of(shape, Dtype::F32)
    }

    /// Adds an intermediate buffer of elements of type `dtype`.
    pub fn scratch_of(&mut self, shape: impl Into<Shape>, dtype: Dtype) -> Buf {
        let index = NEXT_SCRATCH.fetch_add(1, Ordering::Relaxed);
        let buf = Buf { id: BufferId { arena: Arena::Scratch, index }, offset: 0, shape: shape.into(), dtype };
        self.scratch.push(buf);
        buf
    }

    /// A schedule of one call like `call`, over new buffers that are fed and kept, in binding order.
    pub(crate) fn alone(call: &Call) -> (Self, Vec<Buf>) {
        let mut schedule = Self::new();
        let mut made: Vec<(Buf, Buf)> = Vec::new();
        for buf in &call.bufs {
            if made.iter().all(|(known, _)| known != buf) {
                let own = schedule.scratch_of(buf.shape, buf.dtype);
                schedule.feed(own);
                made.push((*buf, own));
            }
        }
        let own = |buf: &Buf| made.iter().find(|(known, _)| known == buf).expect("just made").1;
        let bufs: Vec<Buf> = call.bufs.iter().map(own).collect();
        schedule.calls.push(Call { bufs: bufs.clone(), ..call.clone() });
        (schedule, bufs)
    }

    /// Marks `buf` as filled from outside before the schedule runs, as tests do with scratch. Its memory is not shared.
    pub fn feed(&mut self, buf: Buf) {
        self.written.insert(buf.id);
        self.kept.insert(buf.id);
    }

    /// Marks `buf` as read after the schedule has run, so its memory is not shared.
    pub fn keep(&mut self, buf: Buf) {
        self.kept.insert(buf.id);
    }

    /// True if the buffer must hold its contents from before the first call to after the last.
    pub fn is_kept(&self, id: BufferId) -> bool {
        id.arena != Arena::Scratch || self.kept.contains(&id)
    }

    /// The same calls with every range of buffer `from` replaced by the same range of `to`: a network's forward pass
    /// with the running average of its weights, for example.
    ///
    /// # Panics
    /// If a call writes to `from`, or already binds `to`.
    pub fn moved(self, from: BufferId, to: BufferId) -> Self {
        for call in &self.calls {
            let written = call.writes().any(|buf| buf.id == from);
            assert!(!written, "{}: writes to a buffer that is to be replaced", call.label);
        }
        self.rebound(from, to)
    }

    /// The same calls with every range of buffer `from`, read or written, replaced by the same range of `to`.
    ///
    /// # Panics
    /// If a call already binds `to`.
    pub fn rebound(mut self, from: BufferId, to: BufferId) -> Self {
        for call in &mut self.calls {
            let bound = call.bufs.iter().any(|buf| buf.id == to);
            assert!(!bound, "{}: already binds {to:?}", call.label);
            call.bufs.iter_mut().filter(|buf| buf.id == from).for_each(|buf| buf.id = to);
        }
        self
    }

    /// Keeps only the calls on which the contents of these buffers depend after the schedule has run.
    pub fn only_for(mut self, bufs: &[Buf]) -> Self {
        let mut needed: HashSet<BufferId> = bufs.iter().map(|buf| buf.id).collect();
        let mut calls = Vec::new();
        for call in self.calls.into_iter().rev() {
            if call.writes().any(|buf| needed.contains(&buf.id)) {
                needed.extend(call.reads().map(|buf| buf.id));
                // A call that writes to part of a buffer may need the rest, so it stays needed.
                calls.push(call);
            }
        }
        calls.reverse();
        self.scratch.retain(|buf| calls.iter().any(|call| call.bufs.iter().any(|bound| bound.id == buf.id)));
        Self { calls, ..self }
    }

    /// Removes the calls that `select` selects, and returns them as a separate schedule, in order.
    ///
    /// # Panics
    /// If such a call binds scratch, which belongs to this schedule.
    pub fn take(&mut self, select: impl Fn(&Call) -> bool) -> Self {
        let (taken, left): (Vec<Call>, Vec<Call>) = std::mem::take(&mut self.calls).into_iter().partition(select);
        for call in &taken {
            let scratch = call.bufs.iter().any(|buf| buf.id.arena == Arena::Scratch);
            assert!(!scratch, "{}: binds scratch, and is to be taken out of its schedule", call.label);
        }
        self.calls = left;
        Self { calls: taken, ..Self::default() }
    }

    /// Runs `build`, with `name` prefixed to the labels of the calls that it pushes.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(name.into());
        let result = build(self);
        self.scopes.pop();
        result
    }

    /// Adds one call.
    ///
    /// # Panics
    /// On misuse, with the call and the buffer named: a wrong number or type of buffers, parameters of another kernel,
    /// a grid of no workgroups or more than [`MAX_GROUPS`] in a dimension, a misaligned range, scratch bound past its
    /// end, from another schedule or before it is written, or a buffer bound twice and written.
    pub fn push<P: Params>(
        &mut self,
        kernel: &'static Kernel,
        label: &str,
        bufs: &[Buf],
        params: &P,
        grid: Grid,
        flops: u64,
    ) {
        let label = self.scopes.iter().map(String::as_str).chain([label]).collect::<Vec<_>>().join(".");
        let name = format!("{label} ({})", kernel.name);
        assert_eq!(bufs.len(), kernel.bindings.len(), "{name}: wrong number of buffers");
        assert!(
            std::ptr::eq(P::FIELDS, kernel.params) || P::FIELDS == kernel.params,
            "{name}: parameters of another kernel"
        );
        for (binding, buf) in kernel.bindings.iter().zip(bufs) {
            let what = format!("{name}: {} = {buf:?}", binding.name);
            assert_eq!(binding.dtype, buf.dtype, "{what}: wrong element type");
            assert!(buf.offset.is_multiple_of(ALIGN), "{what}: a binding must start at a multiple of {ALIGN} elements");
            if buf.id.arena == Arena::Scratch {
                let whole = self.scratch.iter().find(|whole| whole.id == buf.id);
                let whole = whole.unwrap_or_else(|| panic!("{what}: scratch of another schedule"));
                assert!(buf.range().end <= whole.len(), "{what}: out of bounds of {}", whole.shape);
            }
            if binding.access != Access::Read {
                let bound = bufs.iter().filter(|other| other.id == buf.id).count();
                assert_eq!(bound, 1, "{what}: written, and bound twice");
            }
            if binding.access != Access::Write && buf.id.arena == Arena::Scratch {
                assert!(self.written.contains(&buf.id), "{what}: read before it is written");
            }
        }
        let tiled = matches!(grid, Grid::Tiles { .. });
        assert_eq!(
            tiled,
            !kernel.variants.is_empty(),
            "{name}: kernels with variants, and no others, need Grid::Tiles"
        );
        let tiles = kernel.variants.iter().map(|variant| variant.tile).chain((!tiled).then_some([1, 1]));
        tiles.for_each(|tile| {
            assert!(grid.groups(tile).is_some(), "{name}: {grid:?} is not 1 to {MAX_GROUPS} workgroups")
        });
        let params = params.to_words();
        let call = Call { kernel, bufs: bufs.to_vec(), params, grid, label, flops };
        self.written.extend(call.writes().map(|buf| buf.id));
        self.calls.push(call);
    }
}
