//! The GPU as an executor of schedules.

use super::early::Early;
use super::run::Gpu;
use crate::{Array, Buf, Counters, Dtype, Error, Executor, Program, Schedule, Ticket, Timing};

impl Executor for Gpu {
    fn describe(&self) -> String {
        self.device.caps.to_string()
    }

    fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error> {
        self.add(schedule)
    }

    fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error> {
        let encode = |pass: &mut wgpu::ComputePass<'_>, this: &Self| {
            for _ in 0..times {
                for program in programs.iter().map(|program| this.program(*program)) {
                    (0..program.len()).for_each(|index| program.encode(pass, index));
                }
            }
        };
        self.launch(encode, watch)
    }

    fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error> {
        let pending = self.pending.remove(&ticket.0).expect("each ticket is waited for once");
        self.wait_for(pending.submission)?;
        let Some((staging, receiver)) = pending.copy else { return Ok(Vec::new()) };
        let mapped = pollster::block_on(receiver.receive()).expect("the callback always sends a result");
        if let Err(error) = mapped {
            self.device.check()?;
            return Err(Error::Fault { why: error.to_string() });
        }
        let view = staging.slice(..).get_mapped_range().map_err(|error| Error::Fault { why: error.to_string() })?;
        let mut at = 0;
        let arrays = pending.watched.iter().map(|buf| {
            let bytes = &view[at..at + buf.bytes() as usize];
            at += bytes.len();
            match buf.dtype {
                Dtype::F32 => Array::F32(bytemuck::pod_collect_to_vec(bytes)),
                Dtype::U32 => Array::U32(bytemuck::pod_collect_to_vec(bytes)),
            }
        });
        let arrays = arrays.collect();
        drop(view);
        staging.unmap();
        self.staging.push(staging);
        Ok(arrays)
    }

    fn run_call(&mut self, program: Program, call: usize) -> Result<(), Error> {
        let encode = |pass: &mut wgpu::ComputePass<'_>, this: &Self| this.program(program).encode(pass, call);
        let ticket = self.launch(encode, &[])?;
        self.wait(ticket).map(|_| ())
    }

    fn read(&mut self, buf: Buf) -> Result<Array, Error> {
        let ticket = self.launch(|_, _| {}, &[buf])?;
        let mut arrays = self.wait(ticket)?;
        // Reads are rare and may be large, so their staging buffer is not kept.
        if let Some(staging) = self.staging.pop() {
            self.counters.give(staging.size());
        }
        Ok(arrays.remove(0))
    }

    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error> {
        assert_eq!(values.len(), buf.len(), "{} values for a buffer of {}", values.len(), buf.shape);
        let buffer = self.buffer(buf.id)?;
        self.uploads(buf.bytes());
        let write = |bytes: &[u8]| self.device.queue.write_buffer(&buffer, u64::from(buf.offset) * 4, bytes);
        // wgpu copies the values to a separate staging buffer, which must be allocated too.
        self.device.with_error_scopes("an upload", buf.bytes(), || match (buf.dtype, values) {
            (Dtype::U32, Array::U32(words)) => write(bytemuck::cast_slice(words)),
            (Dtype::F32, Array::F32(_) | Array::F64(_)) => write(bytemuck::cast_slice(&values.to_f32())),
            _ => panic!("wrong element type for {buf:?}"),
        })
    }

    fn time_calls(&mut self, program: Program) -> Result<Timing, Error> {
        self.time(program)
    }

    fn counters(&self) -> Counters {
        // Polling releases the resources of finished submits.
        let _ = self.device.device.poll(wgpu::PollType::Poll);
        let report = self.device.device.generate_allocator_report();
        let cache = &self.device.cache;
        Counters {
            allocator_bytes: report.map(|report| report.total_allocated_bytes),
            first_dispatches: cache.early.get().map(Early::time).unwrap_or_default(),
            modules: cache.modules.lock().expect("the lock is not poisoned").len(),
            pipelines: cache.pipelines.lock().expect("the lock is not poisoned").len(),
            ..self.counters
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::device::Device;
    use crate::ops::fill::fill;
    use crate::{Adapter, Memory, Sharing};

    /// A schedule that fills one kept buffer.
    fn filling(len: usize) -> (Schedule, Buf) {
        let mut schedule = Schedule::new();
        let y = schedule.scratch([len]);
        fill(&mut schedule, "y", y, 1.5);
        schedule.keep(y);
        (schedule, y)
    }

    fn open() -> Device {
        Adapter::best().and_then(|adapter| adapter.open(true)).expect("a Vulkan driver is installed")
    }

    #[test]
    fn losing_the_device_is_an_error_not_a_panic() {
        let device = open();
        let mut gpu = Gpu::new(device.clone(), Memory::default(), Sharing::On);
        let (schedule, y) = filling(100);
        let program = gpu.prepare(&schedule).unwrap();
        assert_eq!(gpu.read(y).unwrap(), Array::F32(vec![0.0; 100]));
        device.destroy();
        let after = gpu.submit(&[program], 1, &[y]).and_then(|ticket| gpu.wait(ticket));
        assert!(matches!(after, Err(Error::Lost { .. })), "{after:?}");
    }

    #[test]
    fn a_buffer_beyond_the_limits_is_an_error_with_sizes() {
        let mut gpu = Gpu::new(open(), Memory::default(), Sharing::On);
        let limit = gpu.device.caps.max_binding_bytes.min(gpu.device.caps.max_buffer_bytes);
        let too_many = (limit / 4 + 64) as usize;
        if too_many > i32::MAX as usize {
            println!("nothing to test: this device binds more than the largest shape");
            return;
        }
        let (schedule, _) = filling(too_many);
        let refused = gpu.prepare(&schedule).unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. } | Error::OutOfMemory { .. }), "{refused}");
    }
}
