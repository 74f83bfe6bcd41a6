//! First dispatches ahead of time.
//!
//! A driver on a processor compiles a pipeline when it is first dispatched: one after another, in the thread that
//! submits. A thread therefore dispatches each new pipeline with no workgroups, while the host makes further pipelines,
//! reads data and writes weights.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of the buffers bound, which no workgroup touches: as many as the largest uniform, or an element.
const BYTES: u64 = 1024;

/// A pipeline, the layout of its bind group, and the number of its storage buffers; a uniform follows.
type Waiting = (wgpu::ComputePipeline, wgpu::BindGroupLayout, usize);

/// The thread of first dispatches, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Early {
    pipelines: Option<Sender<Waiting>>,
    ended: Arc<AtomicBool>,
    /// Held during a dispatch.
    busy: Arc<Mutex<()>>,
    nanoseconds: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Early {
    /// Starts the thread.
    pub(crate) fn start(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let (pipelines, received) = channel::<Waiting>();
        let ended = Arc::new(AtomicBool::new(false));
        let nanoseconds = Arc::new(AtomicU64::new(0));
        let busy = Arc::new(Mutex::new(()));
        let (stop, spent, dispatching) = (ended.clone(), nanoseconds.clone(), busy.clone());
        let work = move || {
            let mut buffers: Vec<wgpu::Buffer> = Vec::new();
            for (pipeline, layout, bindings) in received {
                let _busy = dispatching.lock().unwrap_or_else(PoisonError::into_inner);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let start = Instant::now();
                // An error here is the real dispatch's to report.
                let scopes =
                    [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation]
                        .map(|filter| device.push_error_scope(filter));
                while buffers.len() <= bindings {
                    buffers.push(buffer(&device));
                }
                dispatch(&device, &queue, (&pipeline, &layout), &buffers[..=bindings]);
                for scope in scopes.into_iter().rev() {
                    let _ = pollster::block_on(scope.pop());
                }
                spent.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        };
        let thread = std::thread::Builder::new().name("first dispatches".into()).spawn(work).ok();
        Self { pipelines: Some(pipelines), ended, busy, nanoseconds, thread }
    }

    /// Dispatches a pipeline soon.
    pub(crate) fn add(&self, waiting: Waiting) {
        if let Some(pipelines) = &self.pipelines {
            // Without a thread the real dispatch compiles it.
            let _ = pipelines.send(waiting);
        }
    }

    /// Dispatches nothing more, and waits for the dispatch under way.
    pub(crate) fn stop(&self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(self.busy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The time spent so far.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

impl Drop for Early {
    /// Waits for the pipeline that the driver is compiling: the process must not end meanwhile.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.pipelines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn buffer(device: &wgpu::Device) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM;
    device.create_buffer(&wgpu::BufferDescriptor { label: None, size: BYTES, usage, mapped_at_creation: false })
}

fn dispatch(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    (pipeline, layout): (&wgpu::ComputePipeline, &wgpu::BindGroupLayout),
    buffers: &[wgpu::Buffer],
) {
    let bound = (0..).zip(buffers.iter().map(wgpu::Buffer::as_entire_binding));
    let entries: Vec<_> = bound.map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(0, 1, 1);
    }
    queue.submit([encoder.finish()]);
}
