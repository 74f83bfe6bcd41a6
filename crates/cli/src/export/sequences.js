'use strict';

// Sequences of a page: text, sound as codes of 8-bit µ-law, and numbers of a process.

// The sample of a µ-law code, from −1 to 1.
const sampleOfCode = (code) => {
  const y = 2 * code / 255 - 1;
  return Math.sign(y) * (256 ** Math.abs(y) - 1) / 255;
};

// A WAV file with 16 bits a sample.
const wavOf = (codes, rate) => {
  const view = new DataView(new ArrayBuffer(44 + 2 * codes.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, view.byteLength - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * codes.length, true);
  codes.forEach((code, at) => view.setInt16(44 + 2 * at, Math.round(32767 * sampleOfCode(code)), true));
  return new Blob([view], { type: 'audio/wav' });
};

// Puts a curve of values from −1 to 1 onto a canvas that has place for `length` of them.
const putWave = (to, values, length) => {
  resize(to, 640, 120);
  const context = to.getContext('2d');
  context.strokeStyle = getComputedStyle(to).color;
  context.beginPath();
  values.forEach((value, at) => context.lineTo(640 * at / Math.max(1, length - 1), 60 - 56 * value));
  context.stroke();
};

// The place of one sequence: `begin` empties it, `put` shows its codes so far, of `length`; `end` makes them playable.
const sequencePlace = ({ kind, rate }, number) => {
  if (kind === 'text') {
    const text = element('pre', { class: 'text', tabindex: 0, role: 'region', 'aria-label': `Text ${number}` });
    const put = (codes) => { text.textContent = new TextDecoder().decode(Uint8Array.from(codes)); };
    return { shown: text, begin: () => put([]), put, end: () => {} };
  }
  const wave = blank(`Sequence ${number} as a curve`);
  wave.className = 'curves';
  const value = kind === 'sound' ? sampleOfCode : (code) => code / 127.5 - 1;
  const put = (codes, length) => putWave(wave, [...codes].map(value), length);
  const begin = () => put([], 1);
  if (kind !== 'sound') return { shown: wave, begin, put, end: () => {} };
  const player = element('audio', { controls: true, 'aria-label': `Sound ${number}` });
  const silent = () => {
    URL.revokeObjectURL(player.src);
    player.removeAttribute('src');
    begin();
  };
  const end = (codes) => { player.src = URL.createObjectURL(wavOf(codes, rate)); };
  return { shown: element('div', {}, wave, player), begin: silent, put, end };
};

const sequences = (model) => {
  const part = model.sequences;
  const titles = { text: 'Write', sound: 'Make sounds', process: 'Draw a process' };
  const things = { text: 'texts', sound: 'sounds', process: 'sequences' };
  const places = Array.from({ length: part.rows }, (_, at) => sequencePlace(part, at + 1));
  const captions = places.map(() => element('figcaption', {}));
  const figures = places.map(({ shown }, at) => element('figure', { hidden: true }, captions[at], shown));
  const seed = seedInput();
  const length = numberInput(part.length, { min: 1, max: part.most });
  const temperature = numberInput(1, { min: 0.05, max: 2, step: 0.05 });
  const prompt = element('textarea', { rows: 2 });
  const caption = (at) => (model.classes ? `${at + 1}: ${model.classes[chosen.label ?? at % model.classes.length]}` : '');
  const draw = latest(async () => {
    say('Drawing …');
    const begins = new TextEncoder().encode(prompt.value).subarray(0, part.most);
    const count = whole(length, part.length);
    const total = begins.length + count;
    const put = (rows) => {
      rows.forEach((codes, at) => places[at].put(codes, total));
      say(`Drew ${rows[0].length} of ${total} codes.`);
    };
    figures.forEach((one, at) => {
      one.hidden = false;
      captions[at].textContent = caption(at);
      places[at].begin();
    });
    const options = { label: chosen.label, prompt: begins, length: count, temperature: numberOf(temperature, 1) };
    const rows = await model.drawSequences(whole(seed), { ...options, put, stopped: () => draw.stopped });
    rows.forEach((codes, at) => places[at].end(codes));
  });
  const [chosen, ...classes] = classChoice(model, true, () => {});
  const inputs = [labelled('Seed', seed), labelled('Codes of each', length), labelled('Temperature', temperature)];
  const hint = `${part.rows} ${things[part.kind]} of a seed, drawn code by code: those of “frit sample -n ${part.rows}”.`;
  const made = section(titles[part.kind], hint,
    element('div', { class: 'row' }, ...inputs, button('Draw', draw), button('Stop', draw.stop)),
    ...(part.kind === 'text' ? [labelled('Begins with', prompt)] : []), ...classes, ...figures);
  return { made, start: () => {} };
};
