'use strict';

// The word with the bits of a number.
const wordOf = (value) => new Uint32Array(new Float32Array([value]).buffer)[0];

// The model of a page: its programs by what they do. Images are numbers from 0, black, to 1, white.
class Model {
  // Unpacks the model of the document and opens it on the graphics device.
  static async load() {
    const text = new TextDecoder().decode(await Model.unpackedBytes(Model.bytesOf('content')));
    const { plan, page, contents } = JSON.parse(text);
    const model = new Model();
    Object.assign(model, page, { plan, last: Promise.resolve() });
    model.interpreter = await Interpreter.open(plan);
    const weights = Model.bytesOf('weights');
    let at = 0;
    for (const [buffer, bytes] of contents) {
      model.interpreter.write([buffer, 0], weights.subarray(at, at + bytes));
      at += bytes;
    }
    return model;
  }

  static bytesOf(id) {
    return Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  }

  static unpackedBytes(bytes) {
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
  }

  // Runs a task after those before it: programs share their memory.
  turn(task) {
    const result = this.last.then(task);
    this.last = result.catch(() => {});
    return result;
  }

  // Sets the clock of programs, and the class of every row: a number, or null for each in turn.
  begin(step, label) {
    this.interpreter.write(this.clock, new Uint32Array([step, 0, 0, 0]));
    if (!this.asked) return;
    const rows = new Uint8Array(this.asked_rows * this.classes.length);
    for (let row = 0; row < this.asked_rows; row += 1) {
      rows[row * this.classes.length + (label ?? row % this.classes.length)] = 255;
    }
    this.interpreter.write(this.asked, rows);
  }

  // The number of calls of a program.
  calls(program) {
    return this.interpreter.programs.get(program).calls.length;
  }

  async images(range) {
    const [low, high] = this.range;
    return (await this.interpreter.readNumbers(range)).map((value) => (value - low) / (high - low));
  }

  // The first samples of a seed, as `frit sample` draws them.
  draw(seed, label = null, done = () => {}) {
    const { latents, sample } = this;
    if (!sample) return this.latentsOf(seed).then((rows) => this.decode(rows, label, done));
    return this.turn(async () => {
      this.begin(1, label);
      this.interpreter.seed(sample.program, seed);
      await this.interpreter.run(sample.program, { done });
      return this.images(sample.output);
    });
  }

  // The latents of these samples, one after another.
  latentsOf(seed) {
    const { program, output } = this.latents.normal;
    return this.turn(async () => {
      this.begin(1, null);
      this.interpreter.seed(program, seed);
      await this.interpreter.run(program);
      return this.interpreter.readNumbers(output);
    });
  }

  // Images of latents: of one, or of as many as a page draws.
  decode(latents, label = null, done = () => {}) {
    const { program, given, output } = latents.length === this.latents.width ? this.latents.one : this.latents.many;
    return this.turn(async () => {
      this.begin(0, label);
      this.interpreter.write(given, latents);
      await this.interpreter.run(program, { done });
      return this.images(output);
    });
  }

  // The output of a program over an image, given as bytes, and its class: what `read` makes of its range.
  over({ program, image, label: labels, output }, bytes, label, read) {
    return this.turn(async () => {
      this.begin(0, label);
      this.interpreter.write(image, bytes);
      if (labels) {
        const row = new Uint8Array(this.classes.length);
        row[label ?? 0] = 255;
        this.interpreter.write(labels, row);
      }
      await this.interpreter.run(program);
      return read(output);
    });
  }

  // The reconstruction of an image.
  async reconstructed(bytes, label = null) {
    return this.over(this.reconstruct, bytes, label, (output) => this.images(output));
  }

  // The latent of an image; of a posterior the mean.
  async encoded(bytes, label = null) {
    const numbers = await this.over(this.encode, bytes, label, (output) => this.interpreter.readNumbers(output));
    return numbers.slice(0, this.latents.width);
  }

  // A translation of an image, given as bytes, with its number of channels. Of a model that completes images, `mask` has
  // a number for each pixel, 1 where it is unknown; the others are kept.
  translated({ program, given, output, masked, size: [height, width, colours] }, bytes, mask = null) {
    const [low, high] = this.range;
    const number = (share) => low + share * (high - low);
    const source = (pixel, channel) => {
      if (channel === colours) return mask[pixel];
      return mask?.[pixel] ? 0.5 : bytes[pixel * colours + channel] / 255;
    };
    return this.turn(async () => {
      const all = colours + (masked ? 1 : 0);
      const numbers = Float32Array.from({ length: height * width * all }, (_, at) => {
        return number(source(Math.floor(at / all), at % all));
      });
      this.interpreter.write(given, numbers);
      await this.interpreter.run(program);
      const channels = output[2] / 4 / height / width;
      const values = await this.images(output);
      const known = (value, at) => (mask[Math.floor(at / channels)] ? value : bytes[at] / 255);
      return { values: masked ? values.map(known) : values, channels };
    });
  }

  // The probability of each class of an image, given as bytes.
  classified(bytes) {
    const { program, given, output } = this.classify;
    return this.turn(async () => {
      this.interpreter.write(given, Float32Array.from(bytes, (byte) => byte / 255));
      await this.interpreter.run(program);
      const logits = [...await this.interpreter.readNumbers(output)];
      const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
      const sum = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / sum);
    });
  }

  // Draws `length` codes of each sequence after a prompt, given as bytes, and calls `put` with the sequences so far.
  drawSequences(seed, { label = null, prompt = [], length, temperature = 1, put = () => {}, stopped = () => false }) {
    const { rows, block, clock, given, drawn } = this.sequences;
    const [atOnce, pause, drawnCode] = [16, 100, 2 ** 32 - 1];
    return this.turn(async () => {
      this.begin(0, label);
      this.interpreter.seed('step', seed);
      this.interpreter.set('step', { scale: wordOf(1 / Math.fround(temperature)) }, 'categorical');
      this.interpreter.write(clock, new Uint32Array(4));
      await this.interpreter.run('begin');
      const total = prompt.length + length;
      const codes = Array.from({ length: rows }, () => new Uint8Array(total));
      let [done, shown] = [0, performance.now()];
      while (done < total && !stopped()) {
        const within = done % block;
        if (within === 0) {
          const code = (_, at) => prompt[done + at % block] ?? drawnCode;
          this.interpreter.write(given, Uint32Array.from({ length: given[2] / 4 }, code));
        }
        const count = Math.min(atOnce, total - done, block - within);
        await this.interpreter.run(Array(count).fill('step'));
        done += count;
        const isLast = done === total || done % block === 0 || stopped();
        if (!isLast && performance.now() < shown + pause) continue;
        const read = await this.interpreter.readWords(drawn);
        const start = done - within - count;
        codes.forEach((row, number) => row.set(read.subarray(number * block, number * block + done - start), start));
        put(codes.map((row) => row.subarray(0, done)));
        shown = performance.now();
      }
      return codes.map((row) => row.subarray(0, done));
    });
  }

  // Draws codes one position after another, and calls `put` with those so far of all images; returns the images.
  drawCodes(seed, label, put, stopped = () => false) {
    const { sample: { program, output }, codes } = this;
    return this.turn(async () => {
      this.begin(1, label);
      this.interpreter.seed(program, seed);
      this.interpreter.write(codes.codes, new Uint32Array(codes.codes[2] / 4));
      let from = 0;
      for (const [number, to] of codes.ends.entries()) {
        await this.interpreter.run(program, { from, to });
        from = to;
        if (stopped()) return null;
        put(await this.interpreter.readWords(codes.codes), number + 1);
      }
      await this.interpreter.run(program, { from });
      return this.images(output);
    });
  }
}
