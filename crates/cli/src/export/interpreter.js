'use strict';

// Runs a plan of frit on WebGPU: buffers, pipelines, programs. docs/export.md describes the plan.
class Interpreter {
  // The interpreter of a plan on the default adapter. Throws an Error whose message is for the reader of a page.
  static async open(plan) {
    if (!navigator.gpu) {
      throw new Error('This browser has no WebGPU. Use a recent Chrome, Edge, Safari or Firefox, and open the page '
        + 'from a file or over https.');
    }
    const adapter = await navigator.gpu.requestAdapter();
    if (!adapter) {
      throw new Error('This browser has WebGPU, but no adapter for it: the graphics driver may be missing, too old, '
        + 'or blocked by the browser.');
    }
    const self = new Interpreter();
    self.plan = plan;
    self.faults = [];
    self.device = await adapter.requestDevice({ requiredLimits: Interpreter.limits(plan, adapter.limits) });
    self.device.lost.then((loss) => self.faults.push(`The graphics device was lost: ${loss.message}`));
    self.device.onuncapturederror = (event) => self.faults.push(event.error.message);
    self.callsAtOnce = 32;
    self.device.pushErrorScope('out-of-memory');
    self.device.pushErrorScope('validation');
    self.buffers = plan.buffers.map(({ name, bytes }) => self.buffer(name, bytes));
    await self.compile();
    self.programs = new Map(plan.programs.map((program) => [program.name, self.program(program)]));
    for (let scope = 0; scope < 2; scope += 1) {
      const error = await self.device.popErrorScope();
      if (error) throw new Error(`The graphics driver refuses the model: ${error.message}`);
    }
    return self;
  }

  // The limits that a plan needs beyond WebGPU's default ones.
  static limits(plan, offered) {
    const largest = Math.max(...plan.buffers.map(({ bytes }) => bytes));
    const bound = plan.programs.flatMap(({ calls }) => calls.flatMap(({ buffers }) => buffers.map((range) => range[2])));
    const needs = {
      maxBufferSize: [largest, 1 << 28],
      maxStorageBufferBindingSize: [bound.reduce((a, b) => Math.max(a, b), 0), 1 << 27],
    };
    const limits = {};
    for (const [name, [needed, usual]] of Object.entries(needs)) {
      if (needed > offered[name]) {
        throw new Error(`The model needs ${needed} bytes at once, but this device offers ${offered[name]} (${name}).`);
      }
      if (needed > usual) limits[name] = needed;
    }
    return limits;
  }

  buffer(label, size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC) {
    return this.device.createBuffer({ label, size, usage: usage | GPUBufferUsage.COPY_DST });
  }

  // Compiles all pipelines, each module once.
  async compile() {
    const modules = new Map();
    const module = (files) => {
      const key = files.join();
      if (!modules.has(key)) {
        const code = files.map((file) => this.plan.files[file]).join('');
        modules.set(key, this.device.createShaderModule({ code }));
      }
      return modules.get(key);
    };
    const compute = GPUShaderStage.COMPUTE;
    this.pipelines = await Promise.all(this.plan.pipelines.map(async (pipeline) => {
      const types = pipeline.bindings.map(([, access]) => (access === 'read' ? 'read-only-storage' : 'storage'));
      const entries = [...types, 'uniform'].map((type, binding) => ({ binding, visibility: compute, buffer: { type } }));
      const layout = this.device.createBindGroupLayout({ entries });
      const { name: label, entry: entryPoint, constants } = pipeline;
      return {
        layout,
        pipeline: await this.device.createComputePipelineAsync({
          label,
          layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
          compute: { module: module(pipeline.files), entryPoint, constants },
        }),
      };
    }));
  }

  // A program's calls, with all their uniforms in one buffer, 256 bytes apart.
  program({ name, calls }) {
    const stride = 256;
    const words = new Uint32Array(Math.max(1, calls.length) * stride / 4);
    calls.forEach(({ uniform }, number) => words.set(uniform, number * stride / 4));
    const uniforms = this.buffer(`uniforms of ${name}`, words.byteLength, GPUBufferUsage.UNIFORM);
    this.device.queue.writeBuffer(uniforms, 0, words);
    const encoded = calls.map(({ label, pipeline, groups, buffers, uniform }, number) => {
      const { layout, pipeline: compiled } = this.pipelines[pipeline];
      const ranges = buffers.map(([buffer, offset, size]) => ({ buffer: this.buffers[buffer], offset, size }));
      const size = Math.max(16, Math.ceil(uniform.length / 4) * 16);
      ranges.push({ buffer: uniforms, offset: number * stride, size });
      const entries = ranges.map((resource, binding) => ({ binding, resource }));
      return { pipeline: compiled, groups, bindGroup: this.device.createBindGroup({ label, layout, entries }) };
    });
    return { calls: encoded, uniforms, words, plan: calls };
  }

  // Sets fields of the uniforms of a program, given as words: in all its calls, or in those of one kernel.
  set(program, fields, kernel = null) {
    const { uniforms, words, plan } = this.programs.get(program);
    plan.forEach(({ pipeline }, number) => {
      const { name, uniform } = this.plan.pipelines[pipeline];
      if (kernel !== null && name !== kernel) return;
      uniform.forEach(([field], at) => {
        if (field in fields) words[number * 64 + at] = fields[field];
      });
    });
    this.device.queue.writeBuffer(uniforms, 0, words);
  }

  // Sets the seed of the random numbers of a program: a whole number from 0 to 2^53.
  seed(program, seed) {
    this.set(program, { key0: seed % 2 ** 32, key1: Math.floor(seed / 2 ** 32) });
  }

  // Writes numbers or bytes to the start of a range; bytes are padded to whole words.
  write([buffer, offset], data) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const padded = bytes.length % 4 === 0 ? bytes : new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    if (padded !== bytes) padded.set(bytes);
    this.device.queue.writeBuffer(this.buffers[buffer], offset, padded);
  }

  // The bytes of a range, as an ArrayBuffer.
  async read([buffer, offset, size]) {
    const copy = this.buffer('copy', size, GPUBufferUsage.MAP_READ);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.buffers[buffer], offset, copy, 0, size);
    this.device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const bytes = copy.getMappedRange().slice(0);
    copy.destroy();
    this.check();
    return bytes;
  }

  async readNumbers(range) {
    return new Float32Array(await this.read(range));
  }

  async readWords(range) {
    return new Uint32Array(await this.read(range));
  }

  // Runs programs in order, or the calls from one to another of a single program, in submits of about 50 ms. `done`
  // is called after each with the share of the calls that have run.
  async run(names, { from = 0, to = Infinity, done = () => {} } = {}) {
    const calls = [names].flat().flatMap((name) => this.programs.get(name).calls).slice(from, to);
    for (let start = 0; start < calls.length;) {
      const end = Math.min(start + this.callsAtOnce, calls.length);
      const began = performance.now();
      this.submit(calls.slice(start, end));
      await this.device.queue.onSubmittedWorkDone();
      const took = performance.now() - began;
      if (took < 25) this.callsAtOnce = Math.min(2 * this.callsAtOnce, 4096);
      if (took > 100) this.callsAtOnce = Math.max(Math.floor(this.callsAtOnce / 2), 1);
      start = end;
      this.check();
      done(start / calls.length);
    }
  }

  submit(calls) {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { pipeline, bindGroup, groups } of calls) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...groups);
    }
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  // Throws what went wrong since the device was opened.
  check() {
    if (this.faults.length > 0) throw new Error(this.faults[0]);
  }
}
