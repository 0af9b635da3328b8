// Features by two numbers of the reader's choice: a chart to zoom into and pick from, drawn by plotly.js, which lies packed in
// the page and is unpacked when the chart comes into view.

// More points than this would make it slow; the strongest are shown then, and the note says so.
const mostPoints = 4000;

const inDecades = new Set(['density', 'firings', 'mean', 'max']);

class Explorer {
  constructor(box, kind) {
    this.box = box;
    this.kind = kind;
    this.figure = JSON.parse(byId('explore-figure').textContent);
    this.choices = [['explore-x', 'density'], ['explore-y', 'entropy']].map(([id, first]) => this.choice(byId(id), first));
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      this.start();
    }, { rootMargin: '150px' });
    watch.observe(box);
  }

  choice(select, first) {
    for (const column of sortable.filter((one) => one.key !== 'index')) select.append(el('option', { value: column.key }, column.label));
    select.value = first;
    select.addEventListener('change', () => this.draw());
    return select;
  }

  async start() {
    const script = document.createElement('script');
    script.textContent = await inflated(await packed('plotly-0'));
    document.head.append(script);
    this.draw();
    this.box.on('plotly_click', (event) => go(`#feature=${this.kind.columns.index[event.points[0].customdata]}`));
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  // Rows with both numbers, and above 0 where the axis is in powers of ten.
  rows(keys) {
    const { columns } = this.kind;
    const shown = [...columns.index.keys()].filter((row) => keys.every((key) => columns[key][row] !== null && (!inDecades.has(key) || columns[key][row] > 0)));
    if (shown.length <= mostPoints) return shown;
    return shown.sort((a, b) => columns.max[b] - columns.max[a]).slice(0, mostPoints);
  }

  draw() {
    const { columns } = this.kind;
    const keys = this.choices.map((select) => select.value);
    const rows = this.rows(keys);
    byId('explore-count').textContent = rows.length < columns.index.length ? `${count(rows.length)} of ${count(columns.index.length)} features are drawn.` : '';
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const [x, y] = keys.map((key) => rows.map((row) => columns[key][row]));
    const text = rows.map((row) => literal(`feature ${columns.index[row]}: ${columns.top[row].slice(0, 5).map(tokenText).join(' | ')}`));
    const marker = { ...this.figure.data[0].marker, color: color('--feature') };
    const axis = (key, own) => ({ ...own, title: { text: sortable.find((column) => column.key === key).label }, type: inDecades.has(key) ? 'log' : 'linear', exponentformat: 'power' });
    const { layout } = this.figure;
    globalThis.Plotly.react(this.box, [{ ...this.figure.data[0], x, y, text, marker, customdata: rows }], {
      ...layout,
      paper_bgcolor: color('--card'),
      plot_bgcolor: color('--card'),
      font: { ...layout.font, color: color('--ink') },
      xaxis: axis(keys[0], layout.xaxis),
      yaxis: axis(keys[1], layout.yaxis),
    }, this.figure.config);
  }
}

// plotly.js takes a little markup in texts for markup: none is meant here.
const literal = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
