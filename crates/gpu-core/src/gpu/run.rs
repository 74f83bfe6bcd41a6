//! Buffers, bind groups and submits of the GPU executor. Pipelines and bind groups are created once, and each submit is
//! one compute pass.

use super::device::Device;
use super::pipelines::{self, Dispatch};
use crate::{
    ALIGN_BYTES, Arena, Buf, BufferId, Call, Counters, Error, Memory, Pool, Program, Schedule, Sharing, Ticket, plan,
};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Runs schedules on a GPU, in f32.
#[derive(Debug)]
pub struct Gpu {
    pub(crate) device: Device,
    memory: Memory,
    sharing: Sharing,
    /// The persistent buffers.
    buffers: HashMap<BufferId, wgpu::Buffer>,
    /// The scratch slots of all programs; `slots` holds their buffers once allocated.
    pool: Pool,
    slots: Vec<Option<wgpu::Buffer>>,
    slot_of: HashMap<BufferId, usize>,
    programs: Vec<Prepared>,
    pub(super) pending: HashMap<u64, Pending>,
    pub(super) staging: Vec<wgpu::Buffer>,
    tickets: u64,
    pub(super) counters: Counters,
    /// Bytes written since the last submit; wgpu keeps them in staging buffers until the next.
    uploading: u64,
}

/// A program, ready to be encoded.
#[derive(Debug)]
pub(crate) struct Prepared {
    calls: Vec<Call>,
    dispatches: Vec<Dispatch>,
    /// The parameters of all calls in one buffer, and the offset of each.
    uniforms: (wgpu::Buffer, Vec<u64>),
    /// One for each call; empty while a slot is being replaced.
    bind_groups: Vec<wgpu::BindGroup>,
}

impl Prepared {
    /// The number of calls.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Encodes one call into a pass.
    pub(crate) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, index: usize) {
        let Dispatch { pipeline, groups: [x, y, z] } = &self.dispatches[index];
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_groups[index], &[]);
        pass.dispatch_workgroups(*x, *y, *z);
    }
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) submission: wgpu::SubmissionIndex,
    pub(super) watched: Vec<Buf>,
    pub(super) copy: Option<(wgpu::Buffer, OneshotReceiver<Result<(), wgpu::BufferAsyncError>>)>,
}

impl Gpu {
    /// Creates an executor over the buffers of `memory`.
    pub fn new(device: Device, memory: Memory, sharing: Sharing) -> Self {
        Self {
            device,
            memory,
            sharing,
            buffers: HashMap::new(),
            pool: Pool::default(),
            slots: Vec::new(),
            slot_of: HashMap::new(),
            programs: Vec::new(),
            pending: HashMap::new(),
            staging: Vec::new(),
            tickets: 0,
            counters: Counters::default(),
            uploading: 0,
        }
    }

    /// Allocates the buffers of a schedule, compiles its pipelines and creates its bind groups.
    pub(super) fn add(&mut self, schedule: &Schedule) -> Result<Program, Error> {
        self.allocate_all(schedule)?;
        let start = Instant::now();
        let dispatches = pipelines::prepare(&self.device, schedule.calls())?;
        self.counters.compiling += start.elapsed();
        let uniforms = self.uniforms(schedule.calls())?;
        self.programs.push(Prepared {
            calls: schedule.calls().to_vec(),
            dispatches,
            uniforms,
            bind_groups: Vec::new(),
        });
        self.bind()?;
        Ok(Program(self.programs.len() - 1))
    }

    /// The program, as prepared.
    pub(crate) fn program(&self, program: Program) -> &Prepared {
        &self.programs[program.0]
    }

    /// Allocates a zeroed storage buffer.
    fn allocate(&mut self, what: &str, len: usize) -> Result<wgpu::Buffer, Error> {
        let bytes = len as u64 * 4;
        let limit = self.device.caps.max_buffer_bytes;
        if bytes > limit {
            return Err(Error::TooLarge { what: what.into(), bytes, limit });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.counted(what, bytes, usage)
    }

    fn counted(&mut self, what: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, Error> {
        let buffer = self.device.with_error_scopes(what, size, || self.create(size, usage))?;
        self.counters.take(size);
        Ok(buffer)
    }

    fn create(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        self.device.device.create_buffer(&descriptor)
    }

    /// The buffer with this id, if it is allocated.
    fn made(&self, id: BufferId) -> Option<&wgpu::Buffer> {
        match self.slot_of.get(&id) {
            Some(&slot) => self.slots[slot].as_ref(),
            None => self.buffers.get(&id),
        }
    }

    /// The buffer with this id. Persistent buffers are allocated at first use.
    pub(super) fn buffer(&mut self, id: BufferId) -> Result<wgpu::Buffer, Error> {
        if let Some(buffer) = self.made(id) {
            return Ok(buffer.clone());
        }
        let len = self.memory.whole(id).len();
        let buffer = self.allocate(&format!("{id:?}"), len)?;
        self.buffers.insert(id, buffer.clone());
        Ok(buffer)
    }

    /// Assigns the schedule's scratch to slots. Shared slots may grow: the old buffer is released first, so that both
    /// need not fit in memory at once.
    fn place_scratch(&mut self, schedule: &Schedule) -> Result<(), Error> {
        let plan = plan(schedule, self.sharing);
        let slots = self.pool.add(&plan, self.sharing);
        for buf in schedule.scratch_bufs() {
            if let Some(slot) = plan.slot(buf.id) {
                self.slot_of.insert(buf.id, slots[slot]);
            }
        }
        self.slots.resize(self.pool.slots.len(), None);
        let bytes = |slot: usize| self.pool.slots[slot].len as u64 * 4;
        let small = |slot: &usize| self.slots[*slot].as_ref().is_some_and(|buffer| buffer.size() < bytes(*slot));
        let grown: HashSet<usize> = (0..self.slots.len()).filter(small).collect();
        if !grown.is_empty() {
            for program in &mut self.programs {
                let mut bufs = program.calls.iter().flat_map(|call| &call.bufs);
                if bufs.any(|buf| self.slot_of.get(&buf.id).is_some_and(|slot| grown.contains(slot))) {
                    program.bind_groups.clear();
                }
            }
        }
        for slot in grown {
            let old = self.slots[slot].take();
            self.counters.give(old.map_or(0, |buffer| buffer.size()));
        }
        for slot in 0..self.slots.len() {
            if self.slots[slot].is_none() {
                self.slots[slot] = Some(self.allocate(&format!("scratch slot {slot}"), self.pool.slots[slot].len)?);
            }
        }
        Ok(())
    }

    /// Allocates every buffer that the schedule uses, and checks each binding against the device's limit.
    fn allocate_all(&mut self, schedule: &Schedule) -> Result<(), Error> {
        let limit = self.device.caps.max_binding_bytes;
        // Check all bindings before allocating any buffer.
        for call in schedule.calls() {
            for (binding, buf) in call.kernel.bindings.iter().zip(&call.bufs) {
                if buf.bytes() > limit {
                    let what = format!("{} of {}, {}", binding.name, call.label, buf.shape);
                    return Err(Error::TooLarge { what, bytes: buf.bytes(), limit });
                }
            }
        }
        self.place_scratch(schedule)?;
        for buf in schedule.calls().iter().flat_map(|call| &call.bufs).filter(|buf| buf.id.arena != Arena::Scratch) {
            self.buffer(buf.id)?;
        }
        Ok(())
    }

    /// Writes the uniforms of all calls into one buffer; also returns the offset of each.
    fn uniforms(&mut self, calls: &[Call]) -> Result<(wgpu::Buffer, Vec<u64>), Error> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut starts = Vec::with_capacity(calls.len());
        for call in calls {
            bytes.resize(bytes.len().next_multiple_of(ALIGN_BYTES as usize), 0);
            starts.push(bytes.len() as u64);
            bytes.extend_from_slice(bytemuck::cast_slice(&call.params));
        }
        let size = (bytes.len() as u64).max(4);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = self.counted("uniforms", size, usage)?;
        self.device.queue.write_buffer(&buffer, 0, &bytes);
        self.uploads(size);
        Ok((buffer, starts))
    }

    /// Creates the bind groups of every program that has none.
    fn bind(&mut self) -> Result<(), Error> {
        for program in 0..self.programs.len() {
            if self.programs[program].bind_groups.is_empty() {
                let bind = || (0..self.programs[program].len()).map(|call| self.bind_group(program, call)).collect();
                self.programs[program].bind_groups = self.device.with_error_scopes("bind groups", 0, bind)?;
            }
        }
        Ok(())
    }

    fn bind_group(&self, program: usize, index: usize) -> wgpu::BindGroup {
        let Prepared { calls, dispatches, uniforms: (uniforms, starts), .. } = &self.programs[program];
        let call = &calls[index];
        let range = |buffer, offset, size| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) })
        };
        let storage = call.bufs.iter().map(|buf| {
            let buffer = self.made(buf.id).expect("a prepared program's buffers are allocated");
            range(buffer, u64::from(buf.offset) * 4, buf.bytes())
        });
        let uniform = range(uniforms, starts[index], call.params.len() as u64 * 4);
        let resources = storage.chain([uniform]).enumerate();
        let entries: Vec<_> =
            resources.map(|(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource }).collect();
        self.device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&call.label),
            layout: &dispatches[index].pipeline.layout,
            entries: &entries,
        })
    }

    /// A host-visible buffer of `size` bytes. Buffers are reused, so that a loop allocates nothing.
    fn staging(&mut self, size: u64) -> Result<wgpu::Buffer, Error> {
        if let Some(found) = self.staging.iter().position(|buffer| buffer.size() == size) {
            return Ok(self.staging.swap_remove(found));
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        self.counted("staging", size, usage)
    }

    /// Counts bytes that wgpu keeps in staging until the next submit.
    pub(super) fn uploads(&mut self, bytes: u64) {
        self.uploading += bytes;
        self.counters.upload_bytes = self.counters.upload_bytes.max(self.uploading);
    }

    /// Encodes the calls in one pass and the copies of the watched buffers, and submits.
    pub(super) fn launch(
        &mut self,
        calls: impl Fn(&mut wgpu::ComputePass<'_>, &Self),
        watch: &[Buf],
    ) -> Result<Ticket, Error> {
        let start = Instant::now();
        let mut encoder = self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            calls(&mut pass, self);
        }
        let total: u64 = watch.iter().map(|buf| buf.bytes()).sum();
        let copy = match total {
            0 => None,
            _ => Some(self.staging(total)?),
        };
        if let Some(staging) = &copy {
            let mut at = 0;
            for buf in watch {
                let source = self.buffer(buf.id)?;
                encoder.copy_buffer_to_buffer(&source, u64::from(buf.offset) * 4, staging, at, buf.bytes());
                at += buf.bytes();
            }
        }
        let commands = encoder.finish();
        let encoded = Instant::now();
        let submission = self.device.queue.submit([commands]);
        self.counters.encoding += encoded - start;
        self.counters.submitting += encoded.elapsed();
        let copy = copy.map(|staging| {
            let (sender, receiver) = oneshot_channel();
            staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
                // Sending fails only if the executor was dropped.
                let _ = sender.send(result);
            });
            (staging, receiver)
        });
        self.uploading = 0;
        self.counters.submits += 1;
        self.tickets += 1;
        self.pending.insert(self.tickets, Pending { submission, watched: watch.to_vec(), copy });
        Ok(Ticket(self.tickets))
    }

    /// Waits for a submission to finish.
    pub(crate) fn wait_for(&mut self, submission: wgpu::SubmissionIndex) -> Result<(), Error> {
        self.counters.waits += 1;
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        if let Err(error) = self.device.device.poll(wait) {
            // Waiting on a lost device fails. Polling delivers the loss itself.
            let _ = self.device.device.poll(wgpu::PollType::Poll);
            self.device.check()?;
            return Err(Error::Fault { why: error.to_string() });
        }
        self.device.check()
    }
}
