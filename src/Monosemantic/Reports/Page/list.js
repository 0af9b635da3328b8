// The list of units: sorted, searched, and drawn only where it can be seen, so that its length does not matter.

const rowHeight = 36;

// A column with a label can be sorted by; one with `fill` holds elements, the others text; `beside` an open page there is room for few.
const columns = [
  { key: 'index', name: '#', beside: true, label: 'index', ascending: true, text: (kind, row) => String(kind.columns.index[row]) },
  { key: 'top', name: 'Tokens that fire it', beside: true, fill: (kind, row, query) => firstTokens(kind, row, query) },
  { key: 'context', name: 'Strongest context', fill: (kind, row, query) => snippet(kind, row, query) },
  numeric('density', 'Density', 'density', percent, 'share of scanned tokens at which it fires'),
  numeric('firings', 'Firings', 'firings', count, 'scanned tokens at which it fires'),
  numeric('mean', 'Mean', 'mean activation', short, 'mean activation where it fires'),
  numeric('max', 'Max', 'max activation', short, 'largest activation'),
  { ...numeric('ablation', 'Δ loss', 'loss without it', short, 'mean rise of the next token\'s loss without it at its strongest contexts, nats'), optional: true },
  score('purity', 'Purity', 'purity', percent, 'largest share of its firings on one token'),
  score('consistency', 'Consistent', 'consistency', short, 'overlap of the tokens of its weaker firings with those of the strongest: 1 means the same ones'),
  score('byToken', 'By token', 'predictable by token', percent, 'share of the entropy of its firing that the token explains'),
  score('byContext', 'By context', 'predictable by context', percent, 'share of the entropy of its firing that the token and the two before it explain'),
  { ...numeric('entropy', 'Entropy', 'token entropy', short, 'token entropy in bits: low means few tokens'), ascending: true, beside: true },
].filter((column) => !column.optional || units.features[column.key].some((value) => value !== null));

function numeric(key, name, label, write, hint) {
  return { key, name, label, hint, text: (kind, row) => write(kind.columns[key][row] ?? null) };
}

// Shown where there is room for it, or where the list is sorted by it; left out where no feature has one.
function score(key, name, label, write, hint) {
  return { ...numeric(key, name, label, write, hint), optional: true, extra: true };
}

const sortable = columns.filter((column) => column.label);

// Its first tokens; one that the search found stands before them, if it is not among them.
function firstTokens(kind, row, query) {
  const top = kind.columns.top[row];
  const found = query ? kind.tokens(row).find((id) => tokenText(id).toLowerCase().includes(query)) : undefined;
  const shown = found === undefined || top.includes(found) ? top : [found, ...top];
  const drawn = (id) => {
    const one = chip(id);
    one.classList.toggle('found', id === found);
    return one;
  };
  return shown.flatMap((id) => [drawn(id), ' ']);
}

// A few words around the peak of the strongest context, or around what the search found.
function snippet(kind, row, query) {
  const contexts = kind.page(row)?.contexts ?? [];
  if (contexts.length === 0) return [];
  const found = query && contexts.find((c) => c.t.map(tokenText).join('').toLowerCase().includes(query));
  const context = found || contexts[0];
  const place = found ? placeOf(context, query) : [context.p, context.p];
  const from = Math.max(0, place[0] - 5);
  return highlighted(context, from, from + 24, place);
}

// The tokens that hold a text: the first, and the one after the last.
function placeOf(context, query) {
  const texts = context.t.map((id) => tokenText(id).toLowerCase());
  const start = texts.join('').indexOf(query);
  let sum = 0;
  const ends = texts.map((text) => (sum += text.length));
  return [ends.findIndex((end) => end > start), ends.findIndex((end) => end >= start + query.length) + 1];
}

// What the select beside the search lets through.
const filters = {
  all: () => true,
  firing: (kind, row) => kind.columns.firings[row] > 0,
  dense: (kind, row) => kind.columns.density[row] > 0.1,
  rare: (kind, row) => kind.columns.firings[row] > 0 && kind.columns.density[row] < 0.0001,
  dead: (kind, row) => kind.columns.firings[row] === 0,
  marked: (kind, row) => marks.all.has(`${kind.name} ${kind.columns.index[row]}`),
};

const comparisons = { '<': (a, b) => a < b, '>': (a, b) => a > b, '<=': (a, b) => a <= b, '>=': (a, b) => a >= b };

// Conditions such as density>1% in a query, and the text that is left of it.
function conditionsOf(query) {
  const conditions = [];
  const text = query.replace(/(?:^|\s)([a-z]+)(<=|>=|<|>)(-?[\d.]+(?:e[+-]?\d+)?)(%?)(?=\s|$)/g, (whole, name, sign, number, unit) => {
    const column = sortable.find((one) => one.key.toLowerCase() === name || one.name.toLowerCase() === name);
    if (!column || Number.isNaN(Number(number))) return whole;
    conditions.push({ key: column.key, holds: comparisons[sign], value: Number(number) / (unit ? 100 : 1) });
    return '';
  });
  return { conditions, text: conditions.length > 0 ? text.trim() : query };
}

const cellName = (column) => `c-${column.key}${column.extra ? ' extra' : ''}`;

class List {
  constructor(open) {
    this.open = open;
    this.kind = kinds.feature;
    this.sort = { key: 'max', ascending: false };
    this.query = '';
    this.conditions = [];
    this.order = [];
    this.active = 0;
    this.drawn = new Map();
    this.box = byId('rows');
    this.table = this.box.firstElementChild;
    this.body = this.table.tBodies[0];
    this.table.tHead.append(el('tr', { 'aria-rowindex': 1 }, columns.map((column) => this.heading(column))));
    this.box.addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.body.addEventListener('click', (event) => this.choose(event.target.closest('tr[data-place]')));
    this.body.addEventListener('pointerdown', (event) => (this.pressed = event.button === 0 ? event.target : undefined));
    this.body.addEventListener('pointerup', (event) => this.released(event.target.closest('tr[data-place]')));
    this.tools();
    for (const kind of Object.values(kinds)) kind.arrived = (searchable) => this.arrived(kind, searchable);
  }

  // More pages are unpacked, or more can be searched: once for all that come at the same time.
  arrived(kind, searchable) {
    if (kind !== this.kind) return;
    this.stale ||= Boolean(searchable && this.query);
    if (searchable) this.describe();
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      if (this.stale) this.refresh(true);
      else this.draw();
      this.stale = false;
    });
  }

  heading(column) {
    if (!column.label) return el('th', { class: `c-${column.key}`, scope: 'col' }, column.name);
    const button = el('button', { type: 'button', title: column.hint, onclick: () => this.sortBy(column.key) }, column.name);
    return el('th', { class: cellName(column), scope: 'col', 'data-key': column.key }, button);
  }

  tools() {
    this.search = byId('search');
    this.search.addEventListener('input', () => this.find(this.search.value));
    this.scope = byId('scope');
    this.scope.addEventListener('change', () => this.refresh());
    this.filter = byId('filter');
    this.filter.addEventListener('change', () => this.refresh());
    this.exporting = byId('export');
    this.exporting.addEventListener('click', () => marks.save());
    this.choice = byId('sort');
    for (const column of sortable)
      for (const up of [column.ascending === true, column.ascending !== true])
        this.choice.append(el('option', { value: `${column.key} ${up}` }, `${column.label} ${up ? '↑' : '↓'}`));
    this.choice.addEventListener('change', () => {
      const [key, ascending] = this.choice.value.split(' ');
      this.sortBy(key, ascending === 'true');
    });
  }

  show(kind) {
    if (this.kind === kind && this.order.length > 0) return this.draw();
    this.kind = kind;
    this.table.setAttribute('aria-label', `${kind.title}s`);
    this.refresh();
    kind.prepare();
  }

  sortBy(key, ascending) {
    const natural = sortable.find((column) => column.key === key).ascending === true;
    this.sort = { key, ascending: ascending ?? (this.sort.key === key ? !this.sort.ascending : natural) };
    this.refresh();
  }

  find(query) {
    const { conditions, text } = conditionsOf(query.toLowerCase());
    this.query = text;
    this.conditions = conditions;
    this.refresh();
  }

  get tokensOnly() {
    return this.scope.value === 'tokens';
  }

  matches(row, found) {
    const { kind, query } = this;
    for (const { key, holds, value } of this.conditions) {
      const own = kind.columns[key][row] ?? null;
      if (own === null || !holds(own, value)) return false;
    }
    if (!query) return true;
    const index = String(kind.columns.index[row]);
    if (query.startsWith('#') && /^#\d+$/.test(query)) return index === query.slice(1);
    if (index === query || marks.of(kind, Number(index)).note.toLowerCase().includes(query)) return true;
    // Until a row is searchable, its first tokens and its note are what is known.
    if (kind.texts[kind.textOf(row)]) return (found[row] & (this.tokensOnly ? 1 : 3)) > 0;
    return kind.columns.top[row].some((id) => tokenText(id).toLowerCase().includes(query));
  }

  // Chooses and orders the rows; what has no number stands last whichever way, and equals stand by index.
  refresh(stay = false) {
    const { kind, sort } = this;
    const lets = filters[this.filter.value];
    const values = kind.columns[sort.key];
    const index = kind.columns.index;
    const sign = sort.ascending ? 1 : -1;
    const rows = [...kind.columns.index.keys()];
    const open = this.order[this.active];
    const found = this.query ? kind.search(this.query) : undefined;
    this.order = this.narrowed ? rows.filter((row) => lets(kind, row) && this.matches(row, found)) : rows;
    this.order.sort((a, b) => {
      const [x, y] = [values[a] ?? null, values[b] ?? null];
      if (x === null || y === null) return (x === null) - (y === null) || index[a] - index[b];
      return sign * (x - y) || index[a] - index[b];
    });
    this.active = stay ? Math.max(0, this.order.indexOf(open)) : 0;
    if (!stay) this.box.scrollTop = 0;
    this.describe();
    this.redraw();
  }

  // Whether anything is left out.
  get narrowed() {
    return this.query !== '' || this.conditions.length > 0 || this.filter.value !== 'all';
  }

  describe() {
    const { sort, kind } = this;
    for (const heading of this.table.tHead.querySelectorAll('[data-key]'))
      heading.setAttribute('aria-sort', heading.dataset.key !== sort.key ? 'none' : sort.ascending ? 'ascending' : 'descending');
    this.choice.value = `${sort.key} ${sort.ascending}`;
    this.table.dataset.sort = sort.key;
    this.table.setAttribute('aria-rowcount', this.order.length + 1);
    const silent = kind.columns.firings.filter((n) => n === 0).length;
    const never = silent > 0 ? [el('span', { class: 'never' }, `, ${count(silent)} never fire`)] : [];
    const whole = kind.searchable === kind.size;
    byId('shown').toggleAttribute('data-whole', whole);
    this.exporting.hidden = marks.all.size === 0;
    byId('shown').replaceChildren(...(this.narrowed
      ? [`${count(this.order.length)} of ${count(kind.size)} ${kind.name}s match${whole || !this.query ? '' : ', still reading …'}`]
      : [`${count(kind.size)} ${kind.name}s`, ...never]));
  }

  redraw() {
    this.drawn.clear();
    this.draw();
  }

  // Draws the rows in sight; those that are drawn and would be the same stay.
  draw() {
    if (this.box.clientHeight === 0) return;
    // What was wanted for rows that are out of sight is wanted no more.
    this.kind.wanted.clear();
    this.beside = byId('explorer').classList.contains('open');
    const above = Math.max(0, Math.floor(this.box.scrollTop / rowHeight) - 8);
    const below = Math.min(this.order.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / rowHeight) + 8);
    const spacer = (rows) => {
      const row = el('tr', { class: 'spacer', 'aria-hidden': 'true' });
      row.style.height = `${rows * rowHeight}px`;
      return row;
    };
    const before = this.drawn;
    this.drawn = new Map();
    const visible = this.order.slice(above, below).map((row, i) => this.kept(before, row) ?? this.row(row, above + i));
    if (this.order.length === 0) visible.push(el('tr', { class: 'nothing' }, el('td', { colspan: columns.length }, 'Nothing matches.')));
    const same = visible.length + 2 === this.body.rows.length && visible[0] === this.body.rows[1] && visible.at(-1) === this.body.rows[visible.length];
    if (!same) this.body.replaceChildren(spacer(above), ...visible, spacer(this.order.length - below));
    this.point();
  }

  // A row as it is drawn already, unless it lacks what is shown now.
  kept(before, row) {
    const known = before.get(row);
    if (!known || (!this.beside && (known.narrow || (!known.whole && this.kind.page(row))))) return undefined;
    this.drawn.set(row, known);
    return known.element;
  }

  row(row, place) {
    const { kind, query } = this;
    const inside = (c) => (c.fill ? el('div', { class: 'fade' }, c.fill(kind, row, query)) : c.text(kind, row));
    const shown = this.beside ? columns.filter((c) => c.beside || (c.extra && c.key === this.sort.key)) : columns;
    const cells = shown.map((c) => el('td', { class: cellName(c) }, inside(c)));
    const index = kind.columns.index[row];
    const mark = marks.of(kind, index);
    if (mark.star || mark.note) cells[0].append(el('span', { class: 'star', title: mark.note || 'bookmarked' }, mark.star ? '★' : '✎'));
    const silent = kind.columns.firings[row] === 0 && 'silent';
    const names = { id: `row-${place}`, 'data-place': place, 'data-index': index, class: silent };
    const element = el('tr', { ...names, 'aria-rowindex': place + 2 }, cells);
    this.drawn.set(row, { element, narrow: this.beside, whole: !this.beside && kind.has(row) });
    return element;
  }

  // Marks the active row.
  point() {
    this.body.querySelector('.active')?.classList.remove('active');
    const row = byId(`row-${this.active}`);
    row?.classList.add('active');
    if (row) this.table.setAttribute('aria-activedescendant', row.id);
    else this.table.removeAttribute('aria-activedescendant');
  }

  // A row that was drawn anew under the pointer since it was pressed gets no click from the browser.
  released(row) {
    const { pressed } = this;
    this.pressed = undefined;
    if (pressed && !pressed.isConnected && pressed.closest('tr[data-place]')?.dataset.index === row?.dataset.index) this.choose(row);
  }

  choose(row) {
    if (!row) return;
    this.active = Number(row.dataset.place);
    this.point();
    this.openActive();
  }

  openActive(replace = false) {
    if (this.active < this.order.length) this.open(this.kind, this.order[this.active], replace);
  }

  // Moves to a place in the list and brings it into view.
  move(place) {
    if (this.order.length === 0) return;
    this.active = Math.max(0, Math.min(this.order.length - 1, place));
    const head = this.table.tHead.offsetHeight;
    const top = this.active * rowHeight;
    const room = this.box.clientHeight - head - rowHeight;
    // What scrolls is drawn by its event, before anybody sees it.
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top > this.box.scrollTop + room) this.box.scrollTop = top - room;
    this.point();
  }

  // Makes a unit's row the active one, if the search has not left it out.
  select(row) {
    const place = this.order.indexOf(row);
    if (place >= 0) this.move(place);
  }

  // Whether a unit's row is in sight, or none is.
  shows(row) {
    return this.box.clientHeight === 0 || this.drawn.has(row);
  }

  neighbour(row, step) {
    const place = this.order.indexOf(row);
    return place < 0 ? undefined : this.order[place + step];
  }
}
