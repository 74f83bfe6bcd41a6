'use strict';

// Elements of a page, and images on canvases. Text is set as text, never as HTML.

// An element with attributes and children; `on…` attributes are listeners.
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

const button = (text, onclick) => element('button', { type: 'button', onclick }, text);

// A labelled input; the label is its first child.
const labelled = (text, input) => element('label', {}, element('span', {}, text), input);

const numberInput = (value, { min = 0, max = 2 ** 53, step = 1 } = {}) => {
  return element('input', { type: 'number', min, max, step, value });
};

// The number of an input within its bounds; where it has none, `usual`.
const numberOf = (input, usual) => {
  const value = input.value.trim() === '' || Number.isNaN(Number(input.value)) ? usual : Number(input.value);
  input.value = Math.min(Math.max(value, input.min), input.max);
  return Number(input.value);
};

// The whole number of an input, likewise.
const whole = (input, usual = 0) => {
  input.value = Math.floor(numberOf(input, usual));
  return Number(input.value);
};

const slider = (min, max, step, value, oninput) => element('input', { type: 'range', min, max, step, value, oninput });

// A group of choices, one of which is taken; `oninput` is called with its number.
const choices = (legend, names, taken, oninput) => {
  const group = `choice ${choices.count = (choices.count ?? 0) + 1}`;
  const choice = (name, number) => {
    const input = element('input', { type: 'radio', name: group, checked: number === taken });
    input.addEventListener('input', () => oninput(number));
    return element('label', { class: 'choice' }, input, element('span', {}, name));
  };
  return element('fieldset', { class: 'choices' }, element('legend', {}, legend), ...names.map(choice));
};

const canvas = (label, width, height) => element('canvas', { width, height, role: 'img', 'aria-label': label });

// A canvas that is shown when something is put on it.
const blank = (label) => {
  const made = canvas(label, 1, 1);
  made.hidden = true;
  return made;
};

// The size of a canvas from now on, which is shown.
const resize = (to, width, height) => {
  [to.width, to.height, to.hidden] = [width, height, false];
};

// Puts images on a canvas, side by side in rows of `columns`. `bytes` has them one after another, each
// [height, width, channels], with values from 0 to 255.
const putImages = (to, bytes, [height, width, channels], columns) => {
  const size = height * width * channels;
  const count = Math.max(1, Math.floor(bytes.length / size));
  resize(to, Math.min(columns, count) * width, Math.ceil(count / columns) * height);
  const context = to.getContext('2d');
  const image = context.createImageData(to.width, to.height);
  for (let number = 0; number < count; number += 1) {
    const [left, top] = [(number % columns) * width, Math.floor(number / columns) * height];
    for (let pixel = 0; pixel < height * width; pixel += 1) {
      const [x, y] = [left + (pixel % width), top + Math.floor(pixel / width)];
      const at = number * size + pixel * channels;
      for (let channel = 0; channel < 3; channel += 1) {
        image.data[4 * (y * to.width + x) + channel] = bytes[at + (channels === 3 ? channel : 0)];
      }
      image.data[4 * (y * to.width + x) + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
};

// Puts points on a canvas that shows the square from −reach to reach, y upwards.
const putPoints = (to, points, reach) => {
  const side = 480;
  resize(to, side, side);
  const context = to.getContext('2d');
  context.fillStyle = getComputedStyle(to).color;
  for (let at = 0; at + 1 < points.length; at += 2) {
    const [x, y] = [points[at], -points[at + 1]].map((value) => (value / reach + 1) * side / 2);
    context.fillRect(x - 1, y - 1, 2, 2);
  }
};

// The bytes of a picture in the size of a model: the largest part of its shape in the middle, scaled.
const pixelsOf = (source, [sourceWidth, sourceHeight], [height, width, channels]) => {
  const scale = Math.min(sourceWidth / width, sourceHeight / height);
  const [cutWidth, cutHeight] = [width * scale, height * scale];
  const [left, top] = [(sourceWidth - cutWidth) / 2, (sourceHeight - cutHeight) / 2];
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  copy.imageSmoothingQuality = 'high';
  copy.fillStyle = '#fff';
  copy.fillRect(0, 0, width, height);
  copy.drawImage(source, left, top, cutWidth, cutHeight, 0, 0, width, height);
  const { data } = copy.getImageData(0, 0, width, height);
  const bytes = new Uint8Array(height * width * channels);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    const [r, g, b] = data.slice(4 * pixel, 4 * pixel + 3);
    if (channels === 3) bytes.set([r, g, b], 3 * pixel);
    else bytes[pixel] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  return bytes;
};

// A place to give pictures: a file, a drop, or drawing on a canvas. Calls `take` with the bytes of each.
const pictureInput = (label, size, take, { many = false } = {}) => {
  const error = element('p', { class: 'error', role: 'alert' });
  const read = async (files) => {
    error.textContent = '';
    for (const file of files) {
      const bitmap = await createImageBitmap(file).catch(() => null);
      if (bitmap) await take(pixelsOf(bitmap, [bitmap.width, bitmap.height], size));
      else error.textContent = `${file.name} is not an image that this browser reads.`;
    }
  };
  const input = element('input', { type: 'file', accept: 'image/*', multiple: many });
  // The same file can be chosen again.
  input.addEventListener('click', () => { input.value = ''; });
  input.addEventListener('change', () => read(input.files));
  const place = element('div', { class: 'drop' }, labelled(label, input), element('p', {}, 'or drop it here'), error);
  place.addEventListener('dragover', (event) => event.preventDefault());
  place.addEventListener('drop', (event) => {
    event.preventDefault();
    read(many ? event.dataTransfer.files : [...event.dataTransfer.files].slice(0, 1));
  });
  return place;
};

// A canvas to draw on in white over black. Calls `take` with the bytes after each stroke.
const drawing = (size, take) => {
  const side = 280;
  const board = canvas('A board to draw on with a mouse, pen or finger', side, Math.round(side * size[0] / size[1]));
  const context = board.getContext('2d', { willReadFrequently: true });
  const clear = () => {
    context.fillStyle = '#000';
    context.fillRect(0, 0, board.width, board.height);
  };
  clear();
  let last = null;
  const place = ({ offsetX, offsetY }) => {
    return [offsetX * board.width / board.clientWidth, offsetY * board.height / board.clientHeight];
  };
  const stroke = (event) => {
    if (!last) return;
    const next = place(event);
    [context.strokeStyle, context.lineWidth, context.lineCap] = ['#fff', board.width / 14, 'round'];
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...next);
    context.stroke();
    last = next;
  };
  const end = () => {
    if (last) take(pixelsOf(board, [board.width, board.height], size));
    last = null;
  };
  board.addEventListener('pointerdown', (event) => {
    board.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(event);
  });
  board.addEventListener('pointermove', stroke);
  board.addEventListener('pointerup', end);
  board.addEventListener('pointercancel', end);
  return element('div', { class: 'board' }, element('p', {}, 'or draw it:'), board, button('Clear the board', clear));
};
