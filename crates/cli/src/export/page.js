'use strict';

// The sections of a page, each there if the model has its part.

const status = document.getElementById('status');

const say = (text, isError = false) => {
  status.textContent = text;
  status.className = isError ? 'error' : '';
};

// Runs a task and shows how it went; the newest of several that wait is the one that runs. `stopped` asks the running
// task to end: it is set by `stop`, and while a newer one waits.
const latest = (task) => {
  let running = false;
  let next = null;
  const run = async (...given) => {
    next = given;
    run.stopped = true;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      run.stopped = false;
      try {
        await task(...now);
        if (!next) say(run.stopped ? 'Stopped.' : 'Ready.');
      } catch (error) {
        next = null;
        say(error.message, true);
      }
    }
    running = false;
  };
  run.stop = () => {
    next = null;
    run.stopped = true;
  };
  return run;
};

const percent = (name) => (share) => say(`${name} … ${Math.round(100 * share)} %`);

const bytesOfImages = (values) => Uint8ClampedArray.from(values, (value) => 255 * value);

const section = (title, hint, ...children) => {
  return element('section', {}, element('h2', {}, title), element('p', { class: 'hint' }, hint), ...children);
};

const figure = (caption, shown) => element('figure', {}, shown, element('figcaption', {}, caption));

// Choices of a class; `each` offers each class in turn. Nothing for a model without classes.
const classChoice = (model, each, changed) => {
  const chosen = { label: each ? null : 0 };
  if (!model.classes) return [chosen];
  const names = each ? ['each in turn', ...model.classes] : model.classes;
  const take = (number) => {
    chosen.label = each ? (number === 0 ? null : number - 1) : number;
    changed();
  };
  return [chosen, choices('Class', names, 0, take)];
};

const seedInput = () => numberInput(0);

const samples = (model) => {
  const rows = model.sample?.rows ?? model.latents.normal.rows;
  const shown = blank('Samples of the model');
  const seed = seedInput();
  const draw = latest(async () => {
    const values = await model.draw(whole(seed), chosen.label, percent('Drawing'));
    if (model.reach) putPoints(shown, values, model.reach);
    else putImages(shown, bytesOfImages(values), model.size, 4);
  });
  const [chosen, ...classes] = classChoice(model, true, draw);
  const another = () => {
    seed.value = Math.floor(Math.random() * 1e6);
    draw();
  };
  seed.addEventListener('change', draw);
  const what = model.reach ? `${rows} points` : `${rows} images`;
  const made = section('Draw', `${what} of a seed: the first that “frit sample --seed” draws.`,
    element('div', { class: 'row' }, labelled('Seed', seed), button('Draw', draw), button('Another seed', another)),
    ...classes, shown);
  model.refresh = draw;
  return { made, start: draw };
};

const directions = (model) => {
  const shown = blank('The image of the sliders');
  shown.className = 'one';
  const seed = seedInput();
  const draw = latest(async () => {
    const { width } = model.latents;
    const latent = zero.checked ? new Float32Array(width) : (await model.latentsOf(whole(seed))).slice(0, width);
    sliders.forEach((input, number) => {
      model.directions[number].forEach((x, at) => { latent[at] += Number(input.value) * x; });
    });
    putImages(shown, bytesOfImages(await model.decode(latent, chosen.label)), model.size, 1);
  });
  const sliders = model.directions.map(() => slider(-4, 4, 0.1, 0, draw));
  const zero = element('input', { type: 'checkbox', oninput: draw });
  const [chosen, ...classes] = classChoice(model, false, draw);
  seed.addEventListener('change', draw);
  const reset = () => {
    sliders.forEach((input) => { input.value = 0; });
    draw();
  };
  const inputs = sliders.map((input, number) => labelled(`Direction ${number + 1}`, input));
  const made = section('Move through the latent space',
    'Sliders for the directions in which images change most, from the first sample of a seed.',
    element('div', { class: 'row' }, labelled('Seed', seed), labelled('From the middle of the space', zero),
      button('Reset the sliders', reset)),
    ...classes, shown, element('div', { class: 'sliders' }, ...inputs));
  return { made, start: draw };
};

// Points on the way from a latent to another; of a normal prior at the distance from zero that its latents have.
const between = (a, b, count, spherical) => {
  const dot = (x, y) => x.reduce((sum, value, at) => sum + value * y[at], 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))));
  const arc = spherical && Math.sin(angle) > 1e-6;
  const weight = (part) => (arc ? Math.sin(part * angle) / Math.sin(angle) : part);
  const rows = new Float32Array(count * a.length);
  for (let row = 0; row < count; row += 1) {
    const t = row / (count - 1);
    a.forEach((x, at) => { rows[row * a.length + at] = weight(1 - t) * x + weight(t) * b[at]; });
  }
  return rows;
};

const interpolation = (model) => {
  const shown = blank('Images between two latents');
  shown.className = 'strip';
  const normal = model.latents.normal !== null;
  const seeds = [numberInput(0), numberInput(1)];
  const pictures = [null, null];
  const count = model.latents.many.given[2] / 4 / model.latents.width;
  const end = async (number) => {
    if (pictures[number]) return model.encoded(pictures[number], chosen.label);
    return normal ? (await model.latentsOf(whole(seeds[number]))).slice(0, model.latents.width) : null;
  };
  const draw = latest(async () => {
    const [a, b] = [await end(0), await end(1)];
    if (!a || !b) throw new Error('Give two images to interpolate between.');
    const values = await model.decode(between(a, b, count, normal), chosen.label, percent('Drawing'));
    putImages(shown, bytesOfImages(values), model.size, count / 2);
  });
  const [chosen, ...classes] = classChoice(model, false, draw);
  const place = (name, number) => pictureInput(`${name} image`, model.size, (bytes) => {
    pictures[number] = bytes;
    if (normal || pictures.every((known) => known)) draw();
  });
  const givePictures = model.encode ? [place('First', 0), place('Last', 1)] : [];
  const forget = () => {
    pictures.fill(null);
    draw();
  };
  const ofSeeds = [labelled('First seed', seeds[0]), labelled('Last seed', seeds[1]), button('Interpolate', forget)];
  seeds.forEach((input) => input.addEventListener('change', forget));
  const hint = `${count} images from one ${normal ? 'sample' : 'image'} to another, in the latent space.`;
  const made = section('Interpolate', hint, ...(normal ? [element('div', { class: 'row' }, ...ofSeeds)] : []),
    ...(givePictures.length > 0 ? [element('div', { class: 'sliders' }, ...givePictures)] : []), ...classes, shown);
  return { made, start: normal && model.calls(model.latents.many.program) < 500 ? draw : () => {} };
};

// A section that turns a given image into another.
const turned = (model, title, hint, size, work, withClasses) => {
  const [before, after] = [blank('The image as the model takes it'), blank('What the model makes of it')];
  let given = null;
  const draw = latest(async () => {
    if (!given) return;
    putImages(before, given, size, 1);
    const { values, channels } = await work(given, chosen.label);
    putImages(after, bytesOfImages(values), [size[0], size[1], channels], 1);
  });
  const give = (bytes) => {
    given = bytes;
    draw();
  };
  const [chosen, ...classes] = withClasses ? classChoice(model, false, draw) : [{ label: null }];
  const made = section(title, hint, pictureInput('An image', size, give), drawing(size, give), ...classes,
    element('div', { class: 'pair' }, figure('given', before), figure('made', after)));
  return { made, start: () => {} };
};

const reconstruction = (model) => {
  const work = async (bytes, label) => {
    return { values: await model.reconstructed(bytes, label), channels: model.size[2] };
  };
  const hint = 'An image of your own through the encoder and the decoder.';
  return turned(model, 'Reconstruct', hint, model.size, work, true);
};

const translation = (model) => (part) => {
  const [height, width] = part.size;
  const work = (bytes) => model.translated(part, bytes);
  const own = `An image of your own, ${height} × ${width} pixels`;
  const [title, hint] = part.restores ? ['Restore', `${own}, without its corruption.`]
    : [`Translate to ${part.to.toUpperCase()}`, `${own}, as one of the other set.`];
  return turned(model, title, hint, part.size, work, false);
};

// The completion of an image inside a rectangle.
const completion = (model) => (part) => {
  const [height, width, channels] = part.size;
  const [before, after] = [blank('The image with its hole'), blank('The completed image')];
  const place = (share, side) => slider(0, side, 1, Math.round(share * side), () => draw());
  const [left, top, wide, high] = [place(0.3, width), place(0.3, height), place(0.4, width), place(0.4, height)];
  let given = null;
  const draw = latest(async () => {
    if (!given) return;
    const [x0, y0, w, h] = [left, top, wide, high].map((input) => Number(input.value));
    const inside = (x, y) => x >= x0 && x < x0 + w && y >= y0 && y < y0 + h;
    const mask = Uint8Array.from({ length: height * width }, (_, at) => inside(at % width, Math.floor(at / width)));
    putImages(before, given.map((byte, at) => (mask[Math.floor(at / channels)] ? 128 : byte)), part.size, 1);
    const made = await model.translated(part, given, mask);
    putImages(after, bytesOfImages(made.values), [height, width, made.channels], 1);
  });
  const give = (bytes) => {
    given = bytes;
    draw();
  };
  const names = ['Left edge of the hole', 'Top edge of the hole', 'Width of the hole', 'Height of the hole'];
  const sliders = [left, top, wide, high].map((input, number) => labelled(names[number], input));
  const made = section('Complete', `An image of your own, ${height} × ${width} pixels, with a hole.`,
    pictureInput('An image', part.size, give), element('div', { class: 'sliders' }, ...sliders),
    element('div', { class: 'pair' }, figure('given', before), figure('made', after)));
  return { made, start: () => {} };
};

const classification = (model) => {
  const shown = blank('The image as the model takes it');
  const likeliest = element('p', { role: 'status' });
  const share = (p) => `${(100 * p).toFixed(1)} %`;
  const bars = model.classes.map((name) => {
    const [bar, text] = [element('progress', { max: 1, value: 0 }), element('span', {}, '–')];
    return { bar, text, row: element('label', {}, element('span', {}, name), bar, text) };
  });
  const draw = latest(async (bytes) => {
    putImages(shown, bytes, model.size, 1);
    const all = await model.classified(bytes);
    if (!all.every(Number.isFinite)) throw new Error('The model gives no finite numbers for this image.');
    all.forEach((p, number) => {
      bars[number].bar.value = p;
      bars[number].text.textContent = share(p);
    });
    const best = all.indexOf(Math.max(...all));
    likeliest.textContent = `Likeliest: ${model.classes[best]}, ${share(all[best])}`;
  });
  const rows = element('div', { class: 'shares' }, ...bars.map(({ row }) => row));
  const made = section('Classify', 'An image of your own, and the probability of each class.',
    pictureInput('An image', model.size, draw), drawing(model.size, draw), likeliest,
    element('div', { class: 'pair' }, figure('given', shown), rows));
  return { made, start: () => {} };
};

const codes = (model) => {
  const [map, shown] = [blank('The codes drawn so far'), blank('The images of the codes')];
  const seed = seedInput();
  const [height, width] = model.codes.grid;
  const put = (words, done) => {
    const most = words.reduce((a, b) => Math.max(a, b), 1);
    putImages(map, Uint8ClampedArray.from(words, (word) => 255 * word / most), [height, width, 1], 4);
    say(`Drew ${done} of ${height * width} codes of each image.`);
  };
  const draw = latest(async () => {
    const values = await model.drawCodes(whole(seed), chosen.label, put, () => draw.stopped);
    if (values) putImages(shown, bytesOfImages(values), model.size, 4);
  });
  const [chosen, ...classes] = classChoice(model, true, () => {});
  const made = section('Draw code by code', 'Each code is drawn by those before it, as a shade of grey; then all are '
    + 'decoded.', element('div', { class: 'row' }, labelled('Seed', seed), button('Draw', draw),
      button('Stop', draw.stop)),
  ...classes, element('div', { class: 'pair' }, figure('codes', map), figure('images', shown)));
  return { made, start: () => {} };
};

const parts = (model) => [
  ...(model.sample && !model.codes || model.latents?.normal ? [samples(model)] : []),
  ...(model.codes ? [codes(model)] : []),
  ...(model.directions.length > 0 && !model.reach ? [directions(model)] : []),
  ...(model.latents && !model.reach ? [interpolation(model)] : []),
  ...(model.reconstruct && !model.reach ? [reconstruction(model)] : []),
  ...(model.reach ? [] : model.translate.map((part) => (part.masked ? completion : translation)(model)(part))),
  ...(model.classify ? [classification(model)] : []),
  ...(model.sequences ? [sequences(model)] : []),
  ...(model.train ? [training(model)] : []),
];

const facts = ({ size: [height, width, channels], step, reach, sequences: drawn }) => {
  const colours = channels === 3 ? 'in colour' : 'in grey';
  const kinds = { text: 'text', sound: `sound at ${drawn?.rate} samples a second`, process: 'codes of a process' };
  const data = reach ? 'points in the plane' : `images of ${height} × ${width} pixels ${colours}`;
  return `${drawn ? kinds[drawn.kind] : data}${step === null ? '' : `, ${step} steps of training`}`;
};

// A picture dropped beside its place does not replace the page.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault());

// The model of the page, for scripts: resolves when it is ready.
const frit = Model.load();

frit.then((model) => {
  document.getElementById('facts').textContent = facts(model);
  const all = parts(model);
  document.getElementById('sections').append(...all.map(({ made }) => made));
  say('Ready.');
  all.forEach(({ start }) => start());
}, (error) => say(error.message, true));
