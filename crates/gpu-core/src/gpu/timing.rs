//! Timing of each call of a program on a device.

use super::device::Device;
use super::run::Gpu;
use crate::ops::roof;
use crate::{Array, Clock, Error, Executor, Memory, Program, Schedule, Sharing, Timing};
use std::time::{Duration, Instant};

/// The most calls timed with one query set.
const CALLS: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;
/// Bytes of a query result.
const QUERY_BYTES: u64 = wgpu::QUERY_SIZE as u64;
/// Empty submits to time; the median counts.
const EMPTY: usize = 9;

impl Gpu {
    /// Runs a program once and times each call by the clock that suits the device.
    pub(crate) fn time(&mut self, program: Program) -> Result<Timing, Error> {
        let clock = self.clock()?;
        let calls = match clock {
            Clock::Timestamps => self.time_by_timestamps(program)?,
            Clock::Host { .. } => self.time_by_host(program)?,
        };
        Ok(Timing { clock, calls })
    }

    /// The clock for this device: its timestamps if they agree with the host's clock, else the host's clock.
    fn clock(&mut self) -> Result<Clock, Error> {
        let device = self.device.clone();
        let mut clock = device.clock.lock().expect("the lock is not poisoned");
        if clock.is_none() {
            *clock = Some(match device.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
                false => Clock::Host { why: "the adapter has no timestamps" },
                true if timestamps_agree(&device)? => Clock::Timestamps,
                true => Clock::Host { why: "the adapter's timestamps are wrong" },
            });
        }
        Ok(clock.clone().expect("just set"))
    }

    /// Times by timestamp queries, with one pass for each call. A pass begins when the one before has ended.
    pub(crate) fn time_by_timestamps(&mut self, program: Program) -> Result<Vec<Duration>, Error> {
        let count = self.program(program).len();
        let mut times = Vec::with_capacity(count);
        for start in (0..count).step_by(CALLS) {
            times.extend(self.time_range(program, start..(start + CALLS).min(count))?);
        }
        Ok(times)
    }

    fn time_range(&mut self, program: Program, range: std::ops::Range<usize>) -> Result<Vec<Duration>, Error> {
        let device = self.device.clone();
        let queries = 2 * range.len() as u32;
        let bytes = u64::from(queries) * QUERY_BYTES;
        let (set, resolved, staging) = device.with_error_scopes("timestamps", 2 * bytes, || {
            let buffer = |usage| {
                let descriptor = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
                device.device.create_buffer(&descriptor)
            };
            let set = device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: queries,
            });
            let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            (set, resolved, buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST))
        })?;
        let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for (index, call) in (0..).zip(range) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &set,
                    beginning_of_pass_write_index: Some(2 * index),
                    end_of_pass_write_index: Some(2 * index + 1),
                }),
            });
            self.program(program).encode(&mut pass, call);
        }
        encoder.resolve_query_set(&set, 0..queries, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        let submission = device.queue.submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
        self.wait_for(submission)?;
        let view = staging.slice(..).get_mapped_range().map_err(|error| Error::Fault { why: error.to_string() })?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let period = f64::from(device.queue.get_timestamp_period());
        let nanoseconds = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * period;
        Ok(ticks.chunks_exact(2).map(|pair| Duration::from_nanos(nanoseconds(pair) as u64)).collect())
    }

    /// Times by the host's clock: submits and waits for each call alone, and subtracts the time of an empty submit.
    pub(crate) fn time_by_host(&mut self, program: Program) -> Result<Vec<Duration>, Error> {
        let empty = self.empty_submit()?;
        let mut times = Vec::with_capacity(self.program(program).len());
        for call in 0..self.program(program).len() {
            let start = Instant::now();
            self.run_call(program, call)?;
            times.push(start.elapsed().saturating_sub(empty));
        }
        Ok(times)
    }

    /// The median time of submitting nothing and waiting for it.
    fn empty_submit(&mut self) -> Result<Duration, Error> {
        let mut times = [Duration::ZERO; EMPTY];
        for time in &mut times {
            let start = Instant::now();
            let ticket = self.submit(&[], 1, &[])?;
            self.wait(ticket)?;
            *time = start.elapsed();
        }
        times.sort_unstable();
        Ok(times[EMPTY / 2])
    }
}

/// True if device timestamps and the host's clock agree on one long call. Some drivers write timestamps while encoding,
/// not while the call runs.
fn timestamps_agree(device: &Device) -> Result<bool, Error> {
    let mut schedule = Schedule::new();
    let x = schedule.scratch([1 << 13]);
    schedule.feed(x);
    let y = roof::fma(&mut schedule, "probe", x, 2048, 0.5, 0.5);
    schedule.keep(y);
    let mut gpu = Gpu::new(device.clone(), Memory::default(), Sharing::On);
    let program = gpu.prepare(&schedule)?;
    gpu.write(x, &Array::F32(vec![0.5; x.len()]))?;
    gpu.run_call(program, 0)?;
    // Several attempts, because another process may be using the machine.
    for _ in 0..3 {
        let device = gpu.time_by_timestamps(program)?[0].as_secs_f64();
        let host = gpu.time_by_host(program)?[0].as_secs_f64();
        if device > host / 3.0 && device < host * 3.0 + 1e-3 {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Adapter;

    /// The times of two calls, the second with sixteen times the work of the first.
    fn timed(by: impl Fn(&mut Gpu, Program) -> Result<Vec<Duration>, Error>) -> Vec<Duration> {
        let device = Adapter::best().and_then(|adapter| adapter.open(false)).expect("a Vulkan driver is installed");
        let mut schedule = Schedule::new();
        let x = schedule.scratch([1 << 12]);
        schedule.feed(x);
        let little = roof::fma(&mut schedule, "little", x, 256, 0.5, 0.5);
        let much = roof::fma(&mut schedule, "much", little, 16 * 256, 0.5, 0.5);
        schedule.keep(much);
        let mut gpu = Gpu::new(device, Memory::default(), Sharing::On);
        let program = gpu.prepare(&schedule).unwrap();
        // The best of several runs, because other processes use the machine too.
        let runs: Vec<Vec<Duration>> = (0..4).map(|_| by(&mut gpu, program).unwrap()).collect();
        (0..2).map(|call| runs.iter().map(|run| run[call]).min().unwrap_or_default()).collect()
    }

    #[test]
    fn the_host_clock_tells_long_calls_from_short_ones() {
        let times = timed(Gpu::time_by_host);
        assert!(times.len() == 2 && times[1] > 2 * times[0], "{times:?}");
    }

    #[test]
    fn the_chosen_clock_tells_long_calls_from_short_ones() {
        let times = timed(|gpu, program| gpu.time(program).map(|timing| timing.calls));
        assert!(times.len() == 2 && times[1] > 2 * times[0], "{times:?}");
    }
}
