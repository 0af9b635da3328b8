// The report's data, parsed as late as possible: the list's columns at once, a unit's page when it is looked at.

const byId = (id) => document.getElementById(id);

const units = JSON.parse(byId('units').textContent);

const tokenText = (id) => units.vocabulary[id] ?? `⟨token ${id}⟩`;

const largest = (values, least) => values.reduce((most, value) => Math.max(most, value), least);

const tokenCount = 1 + largest(Object.keys(units.vocabulary).map(Number), 0);

// Features or neurons: the columns of their list at once, and their pages in packed blocks, unpacked when they are needed.
class Kind {
  constructor(name, columns) {
    this.name = name;
    this.hash = `#${name}s`;
    this.title = name[0].toUpperCase() + name.slice(1);
    this.columns = columns;
    this.size = columns.index.length;
    this.rows = new Map(columns.index.map((index, row) => [index, row]));
    this.blocks = new Map();
    this.unpacking = new Map();
    this.wanted = new Set();
    this.texts = [];
    this.searchable = 0;
    this.arrived = () => {};
  }

  // A page, if its block is unpacked; otherwise the block is wanted, when there is nothing better to do, and `arrived` called once
  // all that are wanted are there.
  page(row) {
    if (!this.has(row)) this.want(this.blockOf(row));
    return this.has(row) ? this.parsed(row) : undefined;
  }

  has(row) {
    return this.blocks.has(this.blockOf(row)) && this.texts[this.textOf(row)] !== undefined;
  }

  // One block after the other, so that a page that is opened meanwhile does not wait for what a list wants to show.
  async want(number) {
    this.wanted.add(number);
    if (this.fetching) return;
    this.fetching = true;
    try {
      while (this.wanted.size > 0) {
        await idle();
        const [next] = this.wanted;
        this.wanted.delete(next);
        if (next !== undefined) await this.unpackBoth(next);
      }
    } finally {
      this.fetching = false;
    }
    this.arrived();
  }

  // Unpacks what is likely to be opened next, when there is nothing better to do.
  foresee(rows) {
    for (const row of rows) if (row !== undefined && !this.has(row)) this.want(this.blockOf(row));
  }

  // A page, at once.
  async load(row) {
    await this.unpackBoth(this.blockOf(row));
    return this.parsed(row);
  }

  // The tokens that fire a unit: all that the page has, once its texts are unpacked, or else the first.
  tokens(row) {
    return this.texts[this.textOf(row)]?.tokens(row) ?? this.columns.top[row];
  }

  blockOf(row) {
    return Math.floor(row / units.pagesPerBlock);
  }

  textOf(row) {
    return Math.floor(row / units.textsPerBlock);
  }

  parsed(row) {
    const block = this.blocks.get(this.blockOf(row));
    const line = row % units.pagesPerBlock;
    if (!block.pages[line]) {
      block.pages[line] = JSON.parse(block.lines[line]);
      this.texts[this.textOf(row)].fill(block.pages[line], row);
    }
    return block.pages[line];
  }

  // A block of pages and the texts that belong to it.
  unpackBoth(number) {
    return Promise.all([
      this.blocks.has(number) || this.once(`pages-${number}`, () => this.unpack(number)),
      this.readTexts(this.textOf(number * units.pagesPerBlock)),
    ]);
  }

  // What is being unpacked is not unpacked again.
  async once(name, unpack) {
    if (!this.unpacking.has(name)) this.unpacking.set(name, unpack().finally(() => this.unpacking.delete(name)));
    return this.unpacking.get(name);
  }

  async unpack(number) {
    const lines = (await inflated(await packed(`${this.name}-pages-${number}`))).split('\n');
    // Enough for every row that can be seen; older blocks are forgotten, since all of them unpacked would be large.
    if (this.blocks.size > 96) this.blocks.delete(this.blocks.keys().next().value);
    this.blocks.set(number, { lines, pages: [] });
  }

  async readTexts(number) {
    return this.texts[number] ?? this.once(`texts-${number}`, async () => {
      const bytes = await unpacked(await packed(`${this.name}-texts-${number}`)).arrayBuffer();
      this.texts[number] = new Texts(number * units.textsPerBlock, numbersOf(new Uint8Array(bytes)));
    });
  }

  // Unpacks the texts that a search looks through, a few blocks at a time: some 10 ms, after which whoever waits has a turn.
  async prepare() {
    if (this.preparing) return;
    this.preparing = true;
    await idle();
    for (let number = 0; this.searchable < this.size; number += 4) {
      await turn();
      await Promise.all([0, 1, 2, 3].filter((i) => (number + i) * units.textsPerBlock < this.size).map((i) => this.readTexts(number + i)));
      this.searchable = Math.min(this.size, (number + 4) * units.textsPerBlock);
      this.arrived(true);
    }
  }

  // For each row 1 if its tokens hold a text, 2 if its contexts do, 3 if both.
  search(text) {
    const found = new Uint8Array(this.size);
    const matcher = new Matcher(text, tokenCount);
    for (const texts of this.texts) texts?.search(matcher, found);
    return found;
  }
}

// The text of a packed block, from the page or, in a split report, from the folder beside it.
const packed = async (name) => byId(name)?.textContent ?? fetched(name);

// The packed pages of a split report: each block is a script in the folder beside the page, which hands over its text.
const expected = new Map();

globalThis.monosemanticPages = (name, text) => expected.get(name)?.(text);

function fetched(name) {
  return new Promise((done, failed) => {
    const script = el('script', { src: `${encodeURIComponent(document.body.dataset.pages)}/${name}.js` });
    const end = () => {
      expected.delete(name);
      script.remove();
    };
    expected.set(name, (text) => {
      end();
      done(text);
    });
    script.addEventListener('error', () => {
      end();
      failed(new Error(`${name}.js is missing: keep the folder ${document.body.dataset.pages} beside this file`));
    });
    document.head.append(script);
  });
}

const unpacked = (text) => new Response(new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream('deflate-raw')));

const inflated = (text) => unpacked(text).text();

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

const idle = () => new Promise((done) => {
  if (window.requestIdleCallback) window.requestIdleCallback(done, { timeout: 100 });
  else setTimeout(done, 20);
});

// Lets the browser do first what it has to, such as handing on a key or drawing.
const turn = () => new Promise((done) => setTimeout(done));

const kinds = { feature: new Kind('feature', units.features), neuron: new Kind('neuron', units.neurons) };

// Bookmarks and notes: kept in this browser under the dictionary's hash, so that a new report of it finds them again.
class Marks {
  constructor() {
    this.key = `monosemantic ${units.dictionary}`;
    this.all = new Map();
    try {
      this.all = new Map(JSON.parse(localStorage.getItem(this.key) ?? '[]'));
    } catch {
      // Without storage, or with a damaged one, marks last as long as the page.
    }
  }

  of(kind, index) {
    return this.all.get(`${kind.name} ${index}`) ?? { star: false, note: '' };
  }

  set(kind, index, changes) {
    const mark = { ...this.of(kind, index), ...changes };
    if (mark.star || mark.note) this.all.set(`${kind.name} ${index}`, mark);
    else this.all.delete(`${kind.name} ${index}`);
    try {
      localStorage.setItem(this.key, JSON.stringify([...this.all]));
    } catch {
      // As above.
    }
  }

  // Saves them as a file of JSON.
  save() {
    const entries = [...this.all].map(([name, mark]) => {
      const [kind, index] = name.split(' ');
      return { kind, index: Number(index), ...mark };
    });
    const file = new Blob([JSON.stringify({ dictionary: units.dictionary, marks: entries }, null, 2)], { type: 'application/json' });
    const link = el('a', { href: URL.createObjectURL(file), download: 'monosemantic-notes.json' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

const marks = new Marks();

// A context's activations, one per token, in thousandths of its unit's scale.
function levels(context) {
  const all = new Array(context.t.length).fill(0);
  for (let i = 0, at = 0; i < context.a.length; i += 2, at++) {
    at += context.a[i];
    all[at] = context.a[i + 1];
  }
  return all;
}

const none = '–';

function short(value) {
  if (value === null || value === undefined) return none;
  if (value === 0) return '0';
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(4));
  const text = size >= 1e6 || size < 1e-4 ? rounded.toExponential() : String(rounded);
  return text.replace(/^-/, '−');
}

const count = (value) => value.toLocaleString('en-US');

const percent = (share) => (share === null ? none : `${+(100 * share).toPrecision(3)} %`);

// An element; text only ever becomes text, never markup.
function el(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.startsWith('--')) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children) {
    if (Array.isArray(child)) element.append(...child.flat(Infinity));
    else element.append(child);
  }
  return element;
}

function drawing(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity));
  return element;
}

// A token standing alone: the spaces at its ends, which matter to the model, are marked. Drawn once and copied from then on.
const chips = new Map();

function chip(id) {
  if (!chips.has(id)) chips.set(id, newChip(id));
  return chips.get(id).cloneNode(true);
}

function newChip(id) {
  const [, before, inner, after] = /^( *)(.*?)( *)$/su.exec(tokenText(id));
  const space = (run) => (run ? [el('span', { class: 'space' }, '·'.repeat(run.length))] : []);
  return el('span', { class: 'token', title: `${tokenText(id)} (token id ${id})` }, space(before), inner, space(after));
}

// Tokens from..to of a context as running text, coloured by activation; those from found[0] to before found[1] are framed. What
// stands between two coloured or framed tokens is one element. `finish` is called with each element, its level and its place.
function highlighted(context, from = 0, to = context.t.length, found = [0, 0], finish = undefined) {
  const all = levels(context);
  const pieces = [];
  let plain = '';
  const add = (element, level, at) => {
    finish?.(element, level, at);
    pieces.push(element);
  };
  const rest = () => {
    if (plain) add(el('span', { class: 't' }, plain), 0, -1);
    plain = '';
  };
  for (let at = from; at < Math.min(to, all.length); at++) {
    const level = all[at];
    const isFound = at >= found[0] && at < found[1];
    const text = tokenText(context.t[at]);
    if (level === 0 && !isFound && at !== context.p) {
      plain += text;
      continue;
    }
    // Colour covers the word but not the space before it, which would hang at the end of a line.
    const word = text.trimStart() && text.replace(/^ +/, '');
    if (word) plain += text.slice(0, text.length - word.length);
    rest();
    const name = `t${level > 0 ? ' on' : ''}${at === context.p ? ' peak' : ''}${isFound ? ' found' : ''}`;
    add(el(level > 0 ? 'mark' : 'span', { class: name, '--a': level > 0 ? Math.min(1, level / 1000) : undefined }, word || text), level, at);
  }
  rest();
  return pieces;
}
