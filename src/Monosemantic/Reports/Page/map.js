// The map on the overview: every feature as a point, drawn on a canvas; a click opens the nearest.

function drawMap() {
  const canvas = byId('map-canvas');
  if (!canvas) return;
  const map = new FeatureMap(canvas, kinds.feature);
  new ResizeObserver(() => map.draw()).observe(canvas.parentElement);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => map.draw());
}

class FeatureMap {
  constructor(canvas, kind) {
    this.canvas = canvas;
    this.kind = kind;
    this.readout = byId('readout');
    canvas.addEventListener('pointermove', (event) => this.name(event));
    canvas.addEventListener('pointerleave', () => { this.readout.hidden = true; });
    canvas.addEventListener('click', (event) => {
      const row = this.nearest(event);
      if (row !== undefined) go(`#feature=${kind.columns.index[row]}`);
    });
  }

  // The picture's place of a feature: both axes in the same scale, the widest filling the box.
  places() {
    const { x, y } = this.kind.columns;
    const [tall, wideX] = [y, x].map((all) => largest(all.map((v) => Math.abs(v ?? 0)), 1));
    const scale = Math.min((this.width - 24) / (2 * wideX), (this.height - 24) / (2 * tall));
    return x.map((value, row) => (value === null ? undefined : [this.width / 2 + value * scale, this.height / 2 - y[row] * scale]));
  }

  draw() {
    const density = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    if (this.width === 0) return;
    this.canvas.width = this.width * density;
    this.canvas.height = this.height * density;
    const pen = this.canvas.getContext('2d');
    pen.scale(density, density);
    const style = getComputedStyle(document.documentElement);
    const [color, muted] = [style.getPropertyValue('--feature'), style.getPropertyValue('--muted')];
    const { entropy } = this.kind.columns;
    const highest = largest(entropy.map((bits) => bits ?? 0), 1);
    this.points = this.places();
    const radius = this.points.length > 6000 ? 1.6 : 2.4;
    this.points.forEach((point, row) => {
      if (!point) return;
      pen.globalAlpha = entropy[row] === null ? 0.35 : 0.9 - 0.75 * (entropy[row] / highest);
      pen.fillStyle = entropy[row] === null ? muted : color;
      pen.beginPath();
      pen.arc(point[0], point[1], radius, 0, 2 * Math.PI);
      pen.fill();
    });
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let found;
    let closest = 12 ** 2;
    (this.points ?? []).forEach((point, row) => {
      if (!point) return;
      const distance = (point[0] - left) ** 2 + (point[1] - top) ** 2;
      if (distance < closest) [closest, found] = [distance, row];
    });
    return found;
  }

  name(event) {
    const row = this.nearest(event);
    this.readout.hidden = row === undefined;
    this.canvas.style.cursor = row === undefined ? 'default' : 'pointer';
    if (row === undefined) return;
    const { index, top } = this.kind.columns;
    this.readout.textContent = `feature ${index[row]}: ${top[row].slice(0, 5).map(tokenText).join(' | ') || 'never fires'}`;
    const left = Math.max(8, Math.min(event.clientX + 12, document.documentElement.clientWidth - this.readout.offsetWidth - 8));
    this.readout.style.left = `${left}px`;
    this.readout.style.top = `${event.clientY - this.readout.offsetHeight - 10}px`;
  }
}
