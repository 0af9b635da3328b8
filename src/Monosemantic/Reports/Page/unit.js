// The page of one feature or neuron.

// What is still to be drawn of the page that is open, which is busy until then; `opened` tells one opening from the next.
const unfinished = [];

let opened = 0;

// The head and the numbers; the evidence follows once it is unpacked.
function drawHead(kind, row, around) {
  const index = kind.columns.index[row];
  const article = byId('unit');
  unfinished.length = 0;
  opened++;
  article.setAttribute('aria-label', `${kind.title} ${index}`);
  article.setAttribute('aria-busy', 'true');
  article.replaceChildren(head(kind, index, around), numbers(kind, row), noteBox(kind, index), el('p', { class: 'note' }, 'Unpacking …'));
}

// What comes into view first is drawn at once, the rest part by part as soon as that is on the screen.
function drawEvidence(page) {
  const later = (into, part) => unfinished.push(() => {
    for (const section of [part(page)].flat()) {
      section.classList.add('later');
      into.append(section);
    }
  });
  const main = el('div', { class: 'main' }, contextsPart(page));
  const side = el('div', { class: 'side' }, histogramPart(page), tokensPart(page));
  byId('unit').lastChild.replaceWith(el('div', { class: 'evidence' }, main, side));
  later(side, logitsPart);
  later(main, groupsPart);
  later(side, neighboursPart);
  finishLater(opened);
}

// The lines that a window has room for, drawn at once; the others are added to them later.
function inSteps(box, lines, draw, height) {
  const first = Math.ceil(window.innerHeight / height);
  box.append(...lines.slice(0, first).map(draw));
  if (lines.length > first) unfinished.push(() => box.append(...lines.slice(first).map((line, i) => draw(line, first + i))));
  return box;
}

async function finishLater(opening) {
  while (unfinished.length > 0) {
    await idle();
    if (opening !== opened) return;
    for (const draw of unfinished.splice(0, 3)) draw();
  }
  finishNow();
}

function finishNow() {
  for (const draw of unfinished.splice(0)) draw();
  if (byId('unit').querySelector('.evidence')) byId('unit').removeAttribute('aria-busy');
}

// The first page that is opened would have to wait for its code to be made ready: that is done before, when nobody is waiting.
async function rehearse(kind) {
  if (kind.size === 0) return;
  await idle();
  const page = await kind.load(0);
  for (const part of [contextsPart, histogramPart, tokensPart, logitsPart, groupsPart, neighboursPart]) {
    await idle();
    if (opened > 0) return;
    part(page);
    unfinished.length = 0;
  }
}

// Who prints, or looks for text, wants all of it.
addEventListener('beforeprint', finishNow);

function head(kind, index, around) {
  const step = (row, text, label) => (row === undefined
    ? el('span', { class: 'step', 'aria-hidden': 'true' }, text)
    : el('a', { class: 'step', href: `#${kind.name}=${kind.columns.index[row]}`, 'aria-label': label, title: label }, text));
  return el('header', { class: 'unit-head' },
    el('h2', {}, `${kind.title} ${index}`),
    starButton(kind, index),
    el('nav', { 'aria-label': 'Unit' },
      el('a', { class: 'back', href: kind.hash }, `← all ${kind.name}s`),
      step(around.before, '‹', 'Previous in the list (k)'),
      step(around.after, '›', 'Next in the list (j)')));
}

function starButton(kind, index) {
  const { star } = marks.of(kind, index);
  const button = el('button', { type: 'button', id: 'star', class: 'star', 'aria-pressed': String(star), 'aria-label': 'Bookmark', title: 'Bookmark (b)' }, star ? '★' : '☆');
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    marks.set(kind, index, { star: on });
    button.setAttribute('aria-pressed', String(on));
    button.textContent = on ? '★' : '☆';
    list.describe();
    list.redraw();
  });
  return button;
}

// A note of the reader's own, kept in this browser.
function noteBox(kind, index) {
  const box = el('textarea', { class: 'own-note', rows: 1, placeholder: 'Your note (stays in this browser)', 'aria-label': `Your note on ${kind.name} ${index}`, spellcheck: 'false' });
  box.value = marks.of(kind, index).note;
  box.addEventListener('input', () => {
    marks.set(kind, index, { note: box.value });
    list.describe();
    list.redraw();
  });
  return box;
}

function numbers(kind, row) {
  const c = kind.columns;
  const fact = (name, value, hint) => el('div', { title: hint }, el('dt', {}, name), el('dd', {}, value));
  const scored = (name, value, write, hint) => (value === null || value === undefined ? [] : fact(name, write(value), hint));
  return el('dl', { class: 'numbers' },
    fact('Density', percent(c.density[row]), 'share of scanned tokens at which it fires'),
    fact('Firings', count(c.firings[row]), 'scanned tokens at which it fires'),
    fact('Mean', short(c.mean[row]), 'mean activation where it fires'),
    fact('Max', short(c.max[row]), 'largest activation'),
    c.ablation[row] === null ? [] : fact('Loss without it', signed(c.ablation[row]), 'mean rise of the next token\'s loss in nats at its strongest contexts when its contribution is taken away'),
    scored('Purity', c.purity[row], percent, 'largest share of its firings on one token'),
    scored('Consistency', c.consistency[row], short, 'overlap of the tokens of its weaker firings with those of the strongest: 1 means the same ones'),
    scored('Predicted by token', c.byToken[row], percent, 'share of the entropy of its firing that the token explains on held-out rows'),
    scored('By token and two before', c.byContext[row], percent, 'share of the entropy of its firing that the token and the two before it explain on held-out rows'),
    fact('Token entropy', c.entropy[row] === null ? none : `${short(c.entropy[row])} bits`, 'low means that it is about few tokens'));
}

function part(name, title, note, ...content) {
  return el('section', { class: `part ${name}`, 'aria-label': title },
    el('h3', {}, title), note ? el('p', { class: 'note' }, note) : [], content);
}

function contextsPart(page) {
  const contexts = page.contexts;
  if (contexts.length === 0) return part('contexts', 'Strongest contexts', 'It fires nowhere in the scanned text.');
  const ramp = el('span', { class: 'ramp', 'aria-hidden': 'true' });
  const legend = el('span', { class: 'legend' }, 'weak', ramp, `${short(page.scale)}, the strongest shown;`, ' ',
    el('mark', { class: 't on peak', '--a': 1 }, 'peak'), ' underlined',
    contexts.some((context) => context.x !== undefined) ? el('span', {}, 'Δ: change of the next token\'s loss without it, nats') : []);
  return part('contexts', 'Strongest contexts', legend, inSteps(el('ol'), contexts, (context) => contextLine(context, page.scale), 90));
}

// One context: where it stands, its peak's value and its text. Arrow keys walk along the tokens that fire.
function contextLine(context, scale) {
  let peak = '0';
  const spans = highlighted(context, 0, context.t.length, [0, 0], (span, level, at) => {
    const value = valueOf(level, scale);
    span.dataset.value = value;
    if (at === context.p) peak = value;
    if (level <= 0) return;
    span.setAttribute('aria-description', `activation ${value}`);
    span.tabIndex = at === context.p ? 0 : -1;
  });
  const where = `document ${context.d}, tokens ${context.s} to ${context.s + context.t.length - 1}`;
  return el('li', { 'data-document': context.d },
    el('div', { class: 'figures' }, el('span', { class: 'value', title: where }, peak), effect(context.x)),
    el('div', { class: 'text' }, spans));
}

// What the model loses where the unit is taken away at the peak; not every context was measured.
function effect(loss) {
  if (loss === undefined) return [];
  return el('span', { class: 'effect', title: `without it at the peak, the next token's loss changes by ${signed(loss)} nats` }, `Δ ${hundredths(loss)}`);
}

const hundredths = (value) => (Math.abs(value) < 0.005 ? '0.00' : (value > 0 ? '+' : '−') + Math.abs(value).toFixed(2));

// A value as exact as it is stored: to a thousandth of the scale.
function valueOf(level, scale) {
  if (level === 0) return '0';
  const digits = Math.max(0, Math.min(12, 2 - Math.floor(Math.log10(scale))));
  return ((level * scale) / 1000).toFixed(digits);
}

// Contexts drawn at random, so that the strongest do not stand for all.
function groupsPart(page) {
  if (page.groups.length === 0) return [];
  const groups = page.groups.map((group) => el('div', { class: 'group' },
    el('h4', {}, `${short(group.low)} to ${short(group.high)}`, el('small', {}, `${percent(group.share)} of its firings`)),
    el('ol', {}, group.c.map((context) => contextLine(context, page.scale)))));
  return part('groups', 'Contexts at random, by strength', 'Drawn from each fifth of its firings, the strongest fifth first; what was drawn is underlined.', groups);
}

const relations = {
  'cosine feature': ['Closest decoder directions', 'cosine'],
  'correlation feature': ['Features that rise and fall with it', 'Pearson correlation of activations'],
  'co-firing feature': ['Features that fire with it', 'share of its firings'],
  'correlation neuron': ['Neurons that rise and fall with it', 'Pearson correlation of activations'],
  'co-firing neuron': ['Neurons that fire with it', 'share of its firings'],
};

function neighboursPart(page) {
  if (page.near.length === 0) return [];
  const tables = page.near.map((near) => {
    const [title, meaning] = relations[`${near.r} ${near.k}`] ?? [`${near.r}, ${near.k}s`, near.r];
    const kind = kinds[near.k];
    const rows = near.i.map((index, i) => {
      const row = kind.rows.get(index);
      const tokens = row === undefined ? [] : kind.columns.top[row].slice(0, 4).flatMap((id) => [chip(id), ' ']);
      const name = near.k === 'neuron' ? `n${index}` : String(index);
      return el('tr', {},
        el('td', {}, row === undefined ? name : el('a', { href: `#${near.k}=${index}` }, name)),
        el('th', { scope: 'row' }, el('div', { class: 'fade' }, tokens)),
        el('td', { class: 'number' }, near.r === 'co-firing' ? percent(near.v[i]) : short(near.v[i])));
    });
    return el('table', {}, el('caption', { title: meaning }, `${title} (${meaning})`), el('tbody', {}, rows));
  });
  return part('neighbours', 'Neighbours', null, tables);
}

function tokensPart(page) {
  const t = page.tokens;
  if (t.t.length === 0) return part('tokens', 'Tokens that fire it', 'None.');
  const head = ['Token', 'Count', 'Share', 'Mean', 'Max']
    .map((name, i) => el('th', { scope: 'col', class: i > 0 ? 'number' : undefined }, name));
  const row = (id, i) => {
    const share = t.of[i] > 0 ? t.n[i] / t.of[i] : null;
    return el('tr', {},
      el('th', { scope: 'row' }, chip(id)),
      el('td', { class: 'number' }, count(t.n[i])),
      el('td', { class: 'number share', '--share': share ?? 0, title: `${count(t.n[i])} of ${count(t.of[i])}` }, percent(share)),
      el('td', { class: 'number' }, short(t.mean[i])),
      el('td', { class: 'number' }, short(t.max[i])));
  };
  const note = 'Most of its total activation first. Share: of all the places where the token stands, how many fire it.';
  return part('tokens', 'Tokens that fire it', note,
    el('div', { class: 'scroll' }, el('table', { 'aria-label': 'Tokens that fire it' }, el('thead', {}, el('tr', {}, head)), inSteps(el('tbody'), t.t, row, 60))));
}

const levelNames = [5, 25, 50, 75, 95, 99];

function histogramPart(page) {
  const total = page.hist.reduce((sum, n) => sum + n, 0);
  if (total === 0) return [];
  const edge = (at) => short(+(10 ** at).toPrecision(3));
  const chart = histogram(page.hist, page.low, page.high, {
    unit: 'firings', axis: 'activation, log scale', edge, style: 'bar-activation',
    ticks: axisPowers(page).map((power) => [power, short(+(10 ** power).toPrecision(2))]),
    name: `Histogram of ${count(total)} activations`,
  });
  const quantiles = page.q.length === 0 ? [] : el('p', { class: 'note quantiles' }, 'Quantiles: ',
    page.q.map((value, i) => el('span', {}, `${levelNames[i]} % ≤ ${short(value)}`)).flatMap((span) => [span, ' ']));
  return part('histogram', 'How strongly it fires', null, chart, quantiles);
}

// Bars over equal bins from low to high; each names its numbers on hover.
function histogram(bins, low, high, { unit, axis, edge, style, ticks, name }) {
  const most = Math.max(...bins, 1);
  const [left, right, top, bottom] = [Math.max(40, 12 + 7 * count(most).length), 396, 8, 96];
  const width = (right - left) / bins.length;
  const at = (bin) => edge(low + ((high - low) * bin) / bins.length);
  const x = (value) => left + ((right - left) * (value - low)) / (high - low || 1);
  const bar = (n, bin) => {
    const height = Math.max(1.5, ((bottom - top) * n) / most);
    const title = drawing('title', {}, `${at(bin)} to ${at(bin + 1)}: ${count(n)} ${unit}`);
    const box = { x: left + bin * width + 0.5, width: Math.max(0.5, width - 1), y: bottom - height, height };
    return n > 0 ? [drawing('rect', { class: style, ...box }, title)] : [];
  };
  const label = (place, text) => drawing('text', { class: 'tick', x: place, y: bottom + 15, 'text-anchor': 'middle' }, text);
  return drawing('svg', { class: 'chart', viewBox: '0 0 408 132', role: 'img', 'aria-label': `${name}, most ${count(most)} in one bin` },
    drawing('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
    drawing('text', { class: 'tick', x: left - 6, y: top + 6, 'text-anchor': 'end' }, count(most)),
    drawing('text', { class: 'tick', x: left - 6, y: bottom, 'text-anchor': 'end' }, '0'),
    bins.flatMap(bar),
    ticks.map(([value, text]) => label(x(value), text)),
    drawing('text', { class: 'name', x: (left + right) / 2, y: bottom + 32, 'text-anchor': 'middle' }, axis));
}

// Whole powers of ten on the axis; where it spans fewer than two of them, its ends and middle.
function axisPowers(page) {
  const whole = [];
  for (let power = Math.ceil(page.low); power <= page.high; power++) whole.push(power);
  const step = Math.ceil(whole.length / 7);
  return whole.length >= 2 ? whole.filter((_, i) => i % step === 0) : [page.low, (page.low + page.high) / 2, page.high];
}

const signed = (value) => `${value > 0 ? '+' : ''}${short(value)}`;

function logitsPart(page) {
  if (page.up.t.length === 0 && page.down.t.length === 0) return [];
  const most = Math.max(...[...page.up.v, ...page.down.v].map(Math.abs), Number.MIN_VALUE);
  const side = (name, title, effects) => el('table', { class: name },
    el('caption', {}, title),
    el('tbody', {}, effects.t.map((id, i) => el('tr', {},
      el('th', { scope: 'row' }, chip(id)),
      el('td', { class: 'number share', '--share': Math.abs(effects.v[i]) / most }, signed(effects.v[i]))))));
  return part('logits', 'What it does to the next token', 'Direct effect on the logits, per unit of activation.',
    el('div', { class: 'pair' }, side('up', 'Promoted', page.up), side('down', 'Suppressed', page.down)), logitChart(page.lh));
}

function logitChart(logits) {
  if (!logits) return [];
  const { low, high, n } = logits;
  return histogram(n, low, high, {
    unit: 'tokens', axis: 'effect on the logits of all tokens', edge: signed, style: 'bar-neuron', name: 'Histogram of the effects on all logits',
    ticks: [low, 0, high].filter((value) => value >= low && value <= high).map((value) => [value, value === 0 ? '0' : signed(value)]),
  });
}

// The value under the pointer or the focus, beside the token.
class Readout {
  constructor(root) {
    this.box = byId('readout');
    root.addEventListener('pointerover', (event) => this.show(event.target, event.clientX, event.clientY));
    root.addEventListener('pointerleave', () => this.hide());
    root.addEventListener('focusin', (event) => this.show(event.target));
    root.addEventListener('focusout', () => this.hide());
    root.addEventListener('keydown', (event) => this.walk(event));
    addEventListener('scroll', () => this.hide(), { passive: true, capture: true });
  }

  // Beside the line of the token that the pointer is on, or its first one; words that do not fire are many, so there it is the
  // pointer's place.
  show(target, x, y) {
    const token = target.closest?.('[data-value]');
    if (!token) return this.hide();
    this.box.textContent = token.dataset.value === '0' ? 'does not fire' : `activation ${token.dataset.value}`;
    this.box.hidden = false;
    const lines = [...token.getClientRects()];
    const at = lines.find((line) => y >= line.top && y <= line.bottom) ?? lines[0] ?? token.getBoundingClientRect();
    const start = token.dataset.value === '0' && x !== undefined ? x : at.left;
    const left = Math.max(8, Math.min(start, document.documentElement.clientWidth - this.box.offsetWidth - 8));
    const above = at.top - this.box.offsetHeight - 6;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${above > 4 ? above : at.bottom + 6}px`;
  }

  hide() {
    this.box.hidden = true;
  }

  walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const text = step && event.target.closest('.text');
    if (!text) return;
    const firing = [...text.querySelectorAll('.on')];
    firing[firing.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  }
}
