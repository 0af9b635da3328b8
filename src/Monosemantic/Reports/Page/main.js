// What is shown follows the address: #features, #neurons, #feature=12, #neuron=5; anything else is the overview.

const wide = window.matchMedia('(min-width: 1100px)');

const list = new List((kind, row, replace) => {
  go(`#${kind.name}=${kind.columns.index[row]}`, replace);
});

// Changes the address and what is shown at once; an event would come too late for the focus to be set.
function go(hash, replace = false) {
  if (replace) history.replaceState(null, '', hash);
  else history.pushState(null, '', hash);
  route();
}

new Readout(byId('unit'));

const heading = document.title;

// What the address names: a kind, and a row of it if a unit is open (-1 if there is no such unit).
function place() {
  const found = /^#(feature|neuron)(?:s|=(\d+))$/.exec(location.hash);
  if (!found) return {};
  const kind = kinds[found[1]];
  return { kind, asked: found[2], row: found[2] === undefined ? undefined : kind.rows.get(Number(found[2])) ?? -1 };
}

function route() {
  const { kind, asked, row } = place();
  // Before anything changes: it would lay out the page once more.
  if (row !== undefined) toTop();
  byId('overview').hidden = kind !== undefined;
  byId('list').hidden = kind === undefined;
  byId('unit').hidden = row === undefined;
  byId('explorer').classList.toggle('open', row !== undefined);
  document.body.dataset.view = row !== undefined ? 'unit' : kind ? 'list' : 'overview';
  for (const [tab, on] of [['overview', !kind], ['features', kind === kinds.feature], ['neurons', kind === kinds.neuron]])
    if (on) byId(`tab-${tab}`)?.setAttribute('aria-current', 'page');
    else byId(`tab-${tab}`)?.removeAttribute('aria-current');
  if (kind) list.show(kind);
  if (row !== undefined) openUnit(kind, row, asked);
  else document.title = kind ? `${kind.title}s · ${heading}` : heading;
}

function openUnit(kind, row, asked) {
  const article = byId('unit');
  const name = `${kind.title} ${asked}`;
  document.title = `${name} · ${heading}`;
  if (row < 0) {
    const back = el('a', { href: kind.hash }, `← all ${kind.name}s`);
    article.replaceChildren(el('h2', {}, `There is no ${kind.name} ${asked}`), el('p', {}, back));
  } else {
    const ready = kind.has(row);
    const loading = ready ? undefined : kind.load(row);
    const near = list.shows(row);
    if (near) list.select(row);
    const around = { before: list.neighbour(row, -1), after: list.neighbour(row, 1) };
    drawHead(kind, row, around);
    // Where the list has to move far, it does so once the page is there.
    if (!near) unfinished.push(() => list.select(row));
    if (ready) drawEvidence(kind.page(row));
    const opening = opened;
    loading?.then((page) => opening === opened && drawEvidence(page));
    kind.foresee([around.after, around.before]);
  }
  if (wide.matches) {
    byId('announce').textContent = name;
    return;
  }
  article.focus({ preventScroll: true });
}

function toTop() {
  byId('unit').scrollTop = 0;
  if (!wide.matches) window.scrollTo(0, 0);
}

const jumps = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  PageDown: (at) => at + 15,
  PageUp: (at) => at - 15,
  Home: () => 0,
  End: () => Infinity,
};

// Keys on the list; with a page open beside it, the page follows.
function listKey(event) {
  const typing = event.target === list.search;
  if (event.key === 'Enter') {
    event.preventDefault();
    list.openActive();
  } else if (jumps[event.key] && !(typing && (event.key === 'Home' || event.key === 'End'))) {
    event.preventDefault();
    list.move(jumps[event.key](list.active));
    if (place().row !== undefined) list.openActive(true);
    else if (typing && event.key === 'ArrowDown') list.table.focus();
  }
}

function escape() {
  const { kind, row } = place();
  if (document.activeElement.matches('textarea')) {
    document.activeElement.blur();
    return;
  }
  if (document.activeElement === list.search && list.search.value) {
    list.search.value = '';
    list.find('');
    return;
  }
  if (row !== undefined) {
    go(kind.hash);
    list.table.focus();
  } else if (document.activeElement === list.search) list.table.focus();
  else if (kind) go('#');
}

function step(by) {
  const { kind, row } = place();
  const next = row >= 0 ? list.neighbour(row, by) : undefined;
  if (next !== undefined) list.open(kind, next, true);
}

document.addEventListener('keydown', (event) => {
  if (event.key === 'f' && (event.ctrlKey || event.metaKey)) finishNow();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { kind, row } = place();
  const typing = event.target.matches('input, select, textarea');
  const nowhere = event.target === document.body && row === undefined;
  const onList = kind && (nowhere || event.target === list.search || list.table.contains(event.target));
  if (event.key === 'Escape') escape();
  else if (onList && !event.target.matches('button')) listKey(event);
  if (typing) return;
  if (event.key === '/') {
    event.preventDefault();
    if (!kind || byId('list').checkVisibility() === false) go((kind ?? kinds.feature).hash);
    list.search.focus();
  } else if (event.key === 'j') step(1);
  else if (event.key === 'k') step(-1);
  else if (event.key === 'b') byId('star')?.click();
});

addEventListener('hashchange', route);
route();
drawMap();
// Where pages are missing, that is said when one is opened.
rehearse(kinds.feature).catch(() => {});
if (byId('explore-chart')) new Explorer(byId('explore-chart'), kinds.feature);
