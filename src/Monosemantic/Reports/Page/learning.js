// Heat maps of neurons on a prompt: one pixel a cell on a canvas, enlarged; all maps on one colour scale.

const byId = (id) => document.getElementById(id);

const scale = JSON.parse(byId('scale').textContent);

const lines = byId('maps').textContent;

const maps = lines ? lines.split('\n').map((line) => JSON.parse(line)) : [];

const tokens = scale.characters.length;

function el(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

// The ramp's colours as the style sheet has them, light or dark; between two of them each channel moves evenly, as in the legend.
function ramp() {
  const style = getComputedStyle(document.documentElement);
  return [0, 1, 2, 3, 4].map((i) => {
    const hex = style.getPropertyValue(`--ramp-${i}`).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
}

function colour(stops, share) {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(place));
  return [0, 1, 2].map((c) => Math.round(stops[below][c] + (place - below) * (stops[below + 1][c] - stops[below][c])));
}

const name = (iteration) => (iteration === 0 ? 'untrained' : `after ${iteration.toLocaleString('en-US')} iteration${iteration === 1 ? '' : 's'}`);

class HeatMap {
  constructor(figure) {
    this.map = maps[Number(figure.dataset.map)];
    this.neurons = this.map.rows[0].length;
    this.box = figure.querySelector('.scroll');
    this.canvas = el('canvas', { width: tokens, height: this.neurons, tabindex: 0, role: 'application', 'aria-roledescription': 'heat map', 'aria-label': this.label() });
    this.mark = el('i', { hidden: '' });
    this.axis = el('div', { class: 'axis-neurons', 'aria-hidden': 'true' });
    this.characters = el('div', { class: 'characters', 'aria-hidden': 'true' }, scale.characters.map((text) => el('span', {}, text === ' ' ? '·' : text)));
    this.box.append(el('div', { class: 'plot' }, this.characters, this.axis, el('div', { class: 'field' }, this.canvas, this.mark)));
  }

  label() {
    return `Layer ${this.map.layer}, ${name(this.map.iteration)}: ${tokens} characters by ${this.neurons} neurons. Arrow keys read single activations.`;
  }

  // Whole pixels a cell, so that all cells are alike.
  resize(width) {
    this.wide = Math.max(5, Math.min(14, Math.floor((width - 30) / tokens)));
    this.high = Math.max(1, Math.min(6, Math.floor(400 / this.neurons)));
    this.canvas.style.width = `${this.wide * tokens}px`;
    this.canvas.style.height = `${this.high * this.neurons}px`;
    for (const character of this.characters.children) {
      character.style.width = `${this.wide}px`;
      character.style.fontSize = `${Math.min(12, this.wide * 1.5)}px`;
    }
    const step = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096].find((s) => s * this.high >= 40) ?? 8192;
    const ticks = [];
    for (let neuron = 0; neuron < this.neurons; neuron += step) {
      const tick = el('span', {}, String(neuron));
      tick.style.top = `${(neuron + 0.5) * this.high}px`;
      ticks.push(tick);
    }
    this.axis.replaceChildren(...ticks);
  }

  draw(stops) {
    const context = this.canvas.getContext('2d');
    const image = context.createImageData(tokens, this.neurons);
    this.map.rows.forEach((row, token) => row.forEach((value, neuron) => {
      const [r, g, b] = colour(stops, scale.top > 0 ? value / scale.top : 0);
      image.data.set([r, g, b, 255], 4 * (neuron * tokens + token));
    }));
    context.putImageData(image, 0, 0);
  }

  point(cell) {
    this.mark.hidden = !cell;
    [...this.characters.children].forEach((character, token) => character.classList.toggle('at', cell?.token === token));
    if (!cell) return;
    Object.assign(this.mark.style, { left: `${cell.token * this.wide - 1}px`, top: `${cell.neuron * this.high - 1}px`, width: `${this.wide + 2}px`, height: `${this.high + 2}px` });
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const clamp = (value, limit) => Math.max(0, Math.min(limit - 1, Math.floor(value)));
    return { token: clamp((event.clientX - box.left) / this.wide, tokens), neuron: clamp((event.clientY - box.top) / this.high, this.neurons) };
  }
}

const shown = [...document.querySelectorAll('.map')].map((figure) => new HeatMap(figure));

const readout = byId('readout');

// Marks the cell in every map of the layer and reads its value at every snapshot, that of the map looked at first.
function look(map, cell) {
  const layer = shown.filter((other) => other.map.layer === map.map.layer);
  shown.forEach((other) => other.point(layer.includes(other) ? cell : null));
  const head = `‘${scale.characters[cell.token]}’, position ${cell.token}, layer ${map.map.layer}, neuron ${cell.neuron}`;
  const values = layer.map((other) => `${other === map ? '▸' : ' '} ${name(other.map.iteration)}: ${other.map.rows[cell.token][cell.neuron]}`);
  readout.textContent = [head, ...values].join('\n');
  readout.hidden = false;
  map.cell = cell;
  const box = map.canvas.getBoundingClientRect();
  const x = box.left + (cell.token + 1) * map.wide + 10;
  const y = box.top + (cell.neuron + 1) * map.high + 10;
  const fits = x + readout.offsetWidth + 8 <= document.documentElement.clientWidth;
  readout.style.left = `${Math.max(8, fits ? x : x - readout.offsetWidth - map.wide - 20)}px`;
  readout.style.top = `${Math.max(8, Math.min(y, window.innerHeight - readout.offsetHeight - 8))}px`;
}

function leave() {
  readout.hidden = true;
  shown.forEach((map) => map.point(null));
}

const moves = {
  ArrowLeft: (c) => ({ ...c, token: c.token - 1 }),
  ArrowRight: (c) => ({ ...c, token: c.token + 1 }),
  ArrowUp: (c) => ({ ...c, neuron: c.neuron - 1 }),
  ArrowDown: (c) => ({ ...c, neuron: c.neuron + 1 }),
  Home: (c) => ({ ...c, token: 0 }),
  End: (c) => ({ ...c, token: tokens - 1 }),
};

for (const map of shown) {
  map.canvas.addEventListener('pointermove', (event) => look(map, map.cellAt(event)));
  map.canvas.addEventListener('pointerdown', (event) => look(map, map.cellAt(event)));
  map.canvas.addEventListener('pointerleave', leave);
  map.canvas.addEventListener('blur', leave);
  map.canvas.addEventListener('focus', () => {
    if (map.canvas.matches(':focus-visible')) look(map, map.cell ?? { token: 0, neuron: 0 });
  });
  map.canvas.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') leave();
    const to = moves[event.key]?.(map.cell ?? { token: 0, neuron: 0 });
    if (!to) return;
    event.preventDefault();
    if (to.token < 0 || to.token >= tokens || to.neuron < 0 || to.neuron >= map.neurons) return;
    map.point(to);
    map.mark.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    look(map, to);
  });
}

function layOut() {
  shown.forEach((map) => map.resize(map.box.clientWidth));
}

function paint() {
  const stops = ramp();
  shown.forEach((map) => map.draw(stops));
}

addEventListener('resize', layOut);
// What the arrow keys read stays when they themselves scroll the page.
addEventListener('scroll', () => {
  if (!document.activeElement.matches('canvas:focus-visible')) leave();
}, { passive: true });
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
layOut();
paint();
