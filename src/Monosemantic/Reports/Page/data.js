// The report's data, parsed as late as possible: the list's columns at once, a unit's page when it is looked at.

const byId = (id) => document.getElementById(id);

const units = JSON.parse(byId('units').textContent);

const tokenText = (id) => units.vocabulary[id] ?? `⟨token ${id}⟩`;

// Features or neurons: the columns of their list, and their pages as one line of JSON each.
class Kind {
  constructor(name, columns) {
    this.name = name;
    this.hash = `#${name}s`;
    this.title = name[0].toUpperCase() + name.slice(1);
    this.columns = columns;
    this.size = columns.index.length;
    this.rows = new Map(columns.index.map((index, row) => [index, row]));
    this.pages = new Array(this.size);
    this.texts = new Array(this.size);
  }

  get lines() {
    return (this.cut ??= byId(`${this.name}-pages`).textContent.split('\n'));
  }

  page(row) {
    return (this.pages[row] ??= JSON.parse(this.lines[row]));
  }

  // What a search looks through, lower case; line breaks part what does not belong together (no token holds one).
  text(row) {
    return (this.texts[row] ??= this.searchable(JSON.parse(this.lines[row])));
  }

  searchable(page) {
    const contexts = page.contexts.map((context) => context.t.map(tokenText).join(''));
    return {
      tokens: page.tokens.t.map(tokenText).join('\n').toLowerCase(),
      contexts: contexts.join('\n').toLowerCase(),
    };
  }

  // Prepares the search while nobody is waiting.
  prepare(row = 0) {
    requestIdle((deadline) => {
      while (row < this.size && deadline.timeRemaining() > 2) this.text(row++);
      if (row < this.size) this.prepare(row);
    });
  }
}

const requestIdle = window.requestIdleCallback
  ? (work) => window.requestIdleCallback(work)
  : (work) => setTimeout(() => {
    const end = Date.now() + 8;
    work({ timeRemaining: () => end - Date.now() });
  }, 30);

const kinds = { feature: new Kind('feature', units.features), neuron: new Kind('neuron', units.neurons) };

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
  return size >= 1e6 || size < 1e-4 ? rounded.toExponential() : String(rounded);
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
  element.append(...children.flat());
  return element;
}

function drawing(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

// A token standing alone: the spaces at its ends, which matter to the model, are marked.
function chip(id) {
  const [, before, inner, after] = /^( *)(.*?)( *)$/su.exec(tokenText(id));
  const space = (run) => (run ? [el('span', { class: 'space' }, '·'.repeat(run.length))] : []);
  return el('span', { class: 'token', title: `${tokenText(id)} (token id ${id})` }, space(before), inner, space(after));
}

// A token in running text. Colour covers the word but not the space before it, which would hang at the end of a line.
function inked(id) {
  const [, space, word] = /^( *)(.*)$/su.exec(tokenText(id));
  return word ? [space, el('span', { class: 'ink' }, word)] : [el('span', { class: 'ink' }, space)];
}

// Tokens from..to of a context as running text, coloured by activation; those from found[0] to before found[1] are framed.
function highlighted(context, from = 0, to = context.t.length, found = [0, 0]) {
  const all = levels(context);
  return context.t.slice(from, to).map((id, i) => {
    const at = from + i;
    const level = all[at];
    const isFound = at >= found[0] && at < found[1];
    const name = ['t', level > 0 && 'on', at === context.p && 'peak', isFound && 'found'].filter(Boolean).join(' ');
    if (level <= 0) return el('span', { class: name }, inked(id));
    return el('mark', { class: name, '--a': Math.min(1, level / 1000) }, inked(id));
  });
}
