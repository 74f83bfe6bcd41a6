'use strict';

// Training of the model of a page, and its download as a checkpoint of frit.
class Trainer {
  constructor(model) {
    Object.assign(this, model.train, { model });
    Object.assign(this, { own: false, broken: false });
    // The losses of every so many steps.
    Object.assign(this, { history: [], every: 1 });
  }

  get step() {
    return this.progress.step;
  }

  // Unpacks the training images of the document and puts them onto the device.
  async open() {
    const [height, width, channels] = this.model.size;
    if (this.images) {
      const packed = Model.bytesOf('data');
      const bytes = new Uint8Array(await Model.unpackedBytes(packed));
      const end = this.count * height * width * channels;
      this.model.interpreter.write(this.images, bytes.subarray(0, end));
      if (this.labels) this.model.interpreter.write(this.labels, bytes.slice(end));
    }
  }

  // Trains on these images from now on, given as bytes each; they are repeated as often as there is place.
  use(images) {
    const size = images[0].length;
    const bytes = new Uint8Array(this.count * size);
    for (let number = 0; number < this.count; number += 1) bytes.set(images[number % images.length], number * size);
    this.model.interpreter.write(this.images, bytes);
    this.own = true;
  }

  // One step; returns its losses by column.
  next() {
    return this.model.turn(async () => {
      const within = this.step % this.per_epoch;
      const periodic = this.step % this.period === 0;
      const size = this.sizes.find((one) => one.full === within < this.full && one.periodic === periodic);
      await this.model.interpreter.run(size.programs);
      const columns = this.columns.length;
      const row = this.step % this.rows;
      const [buffer, offset] = this.ring;
      const losses = [...await this.model.interpreter.readNumbers([buffer, offset + row * columns * 4, columns * 4])];
      if (!losses.every(Number.isFinite)) {
        this.broken = true;
        throw new Error('A loss is not finite: training has stopped. Open the page again to begin from its weights.');
      }
      this.note(losses, size.batch * this.batches);
      return losses;
    });
  }

  // Adds a step to the progress that a checkpoint notes.
  note(losses, images) {
    const { progress } = this;
    progress.step += 1;
    if (progress.step === 1) progress.first = losses;
    progress.images += images;
    progress.sums = losses.map((loss, column) => (progress.sums[column] ?? 0) + loss * images);
    Object.assign(progress, { window: [], window_steps: 0 });
    if (progress.step % this.per_epoch === 0) Object.assign(progress, { sums: [], images: 0 });
    if (progress.step % this.every === 0) this.history.push(losses);
    if (this.history.length === 2000) {
      this.history = this.history.filter((_, at) => at % 2 === 1);
      this.every *= 2;
    }
  }

  // The bytes of a tensor in the order of a file.
  async tensor({ at, permuted }) {
    const words = await this.model.interpreter.readWords(at);
    if (!permuted) return new Uint8Array(words.buffer);
    const [view, axes] = permuted;
    const strides = [view[1] * view[2] * view[3], view[2] * view[3], view[3], 1];
    const [sizes, steps] = [axes.map((axis) => view[axis]), axes.map((axis) => strides[axis])];
    const ordered = new Uint32Array(words.length);
    let to = 0;
    for (let a = 0; a < sizes[0]; a += 1) {
      for (let b = 0; b < sizes[1]; b += 1) {
        for (let c = 0; c < sizes[2]; c += 1) {
          for (let d = 0; d < sizes[3]; d += 1) {
            ordered[to] = words[a * steps[0] + b * steps[1] + c * steps[2] + d * steps[3]];
            to += 1;
          }
        }
      }
    }
    return new Uint8Array(ordered.buffer);
  }

  // A safetensors file: a checkpoint to resume from if all training images of the run are here, else weights.
  file() {
    return this.model.turn(async () => {
      const states = this.states.map((state) => ({ ...state, type: state.words ? 'U32' : 'F32' }));
      const all = [...this.model.plan.tensors.map((tensor) => ({ ...tensor, type: 'F32' })), ...states];
      const order = new Map(all.map((tensor) => [tensor.name, new TextEncoder().encode(tensor.name)]));
      const compare = (a, b) => {
        const [left, right] = [order.get(a.name), order.get(b.name)];
        const differs = left.findIndex((byte, at) => byte !== right[at]);
        return differs < 0 ? left.length - right.length : left[differs] - (right[differs] ?? -1);
      };
      all.sort(compare);
      const notes = { ...this.notes, progress: JSON.stringify(this.progress) };
      const metadata = Object.fromEntries(Object.entries(notes).sort(([a], [b]) => (a < b ? -1 : 1)));
      const [header, parts] = [{}, []];
      let [end, sum] = [0, Trainer.crc32(new TextEncoder().encode(JSON.stringify(metadata)))];
      for (const tensor of all) {
        const bytes = await this.tensor(tensor);
        const title = `${tensor.name} ${tensor.type} [${tensor.shape.join(', ')}]`;
        sum = Trainer.crc32(bytes, Trainer.crc32(new TextEncoder().encode(title), sum));
        header[tensor.name] = { dtype: tensor.type, shape: tensor.shape, data_offsets: [end, end + bytes.length] };
        end += bytes.length;
        parts.push(bytes);
      }
      if (this.resumes) header.__metadata__ = { frit: JSON.stringify({ crc32: sum, metadata }) };
      const text = new TextEncoder().encode(JSON.stringify(header));
      const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(32);
      padded.set(text);
      return new Blob([new BigUint64Array([BigInt(padded.length)]), padded, ...parts]);
    });
  }

  // True if `frit resume` continues from the file.
  get resumes() {
    return this.whole && !this.own;
  }

  // The CRC-32 of bytes after others with the sum given.
  static crc32(bytes, sum = 0) {
    Trainer.table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
      let value = byte;
      for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
      return value;
    });
    let value = ~sum;
    for (const byte of bytes) value = (value >>> 8) ^ Trainer.table[(value ^ byte) & 255];
    return ~value >>> 0;
  }
}

// Puts the curves of losses onto a canvas, each column from its least to its largest value.
const putCurves = (to, history, columns) => {
  resize(to, 640, 240);
  const context = to.getContext('2d');
  const style = getComputedStyle(to);
  columns.forEach((name, column) => {
    const values = history.map((losses) => losses[column]).filter(Number.isFinite);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const y = (value) => 220 - 200 * (high > low ? (value - low) / (high - low) : 0.5);
    context.strokeStyle = style.getPropertyValue(`--curve-${column % 4}`) || style.color;
    context.lineWidth = 2;
    context.beginPath();
    values.forEach((value, at) => context.lineTo(4 + 632 * at / Math.max(1, values.length - 1), y(value)));
    context.stroke();
  });
};

const training = (model) => {
  const trainer = new Trainer(model);
  const shown = blank('The losses of the steps in this page');
  shown.className = 'curves';
  const losses = element('p', { class: 'losses' });
  const images = [];
  let [wanted, running, saved] = [false, false, true];
  const stop = () => { wanted = false; };
  const show = (values) => {
    putCurves(shown, trainer.history, trainer.columns);
    const named = trainer.columns.map((name, at) => `${name.replaceAll('_', ' ')} ${values[at].toPrecision(5)}`);
    losses.textContent = `Step ${trainer.step}: ${named.join(', ')}`;
  };
  const start = async () => {
    wanted = true;
    if (running) return;
    running = true;
    try {
      let shownAt = -Infinity;
      while (wanted) {
        const values = await trainer.next();
        saved = false;
        if (performance.now() > shownAt + 100 || !wanted) {
          show(values);
          shownAt = performance.now();
        }
        if (trainer.step % 50 === 0) model.refresh?.();
      }
      await model.refresh?.();
      say('Training has stopped.');
    } catch (error) {
      say(error.message, true);
    }
    [wanted, running] = [false, false];
  };
  addEventListener('beforeunload', (event) => { if (!saved) event.preventDefault(); });
  const save = latest(async () => {
    if (trainer.broken) throw new Error('A loss was not finite, so there is nothing to download.');
    const link = element('a', { href: URL.createObjectURL(await trainer.file()), download: 'latest.safetensors' });
    link.click();
    URL.revokeObjectURL(link.href);
    saved = true;
    how.textContent = trainer.resumes
      ? 'Move the file to the folder checkpoints of the run, then: frit resume RUN'
      : 'To train from these weights: frit train RECIPE --init latest.safetensors';
  });
  const how = element('p', { class: 'hint' });
  const take = (bytes) => {
    images.push(bytes);
    trainer.use(images);
    say(`Training on ${images.length} of your images.`);
  };
  // Images of a visitor have no classes.
  const takes = trainer.images && !trainer.labels;
  const own = takes ? [pictureInput('Train on images of your own', model.size, take, { many: true })] : [];
  const inside = `${trainer.count} training images are in this page`;
  const data = model.train.images ? inside : 'New points are drawn in each step';
  const again = model.refresh ? ' Samples above are drawn again every 50 steps.' : '';
  const made = section('Train', `${data}.${again}`,
    element('div', { class: 'row' }, button('Train', start), button('Stop', stop), button('Download', save)),
    losses, shown, how, ...own);
  model.trainer = trainer;
  return { made, start: () => trainer.open().catch((error) => say(error.message, true)) };
};
