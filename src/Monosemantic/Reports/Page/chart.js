// Draws every chart of the page in its place, in the colours that the reader's system asks for. plotly.js lies packed in the page.

const dark = matchMedia('(prefers-color-scheme: dark)');
const figures = [...document.querySelectorAll('script[type="application/json"]')].map((block) => JSON.parse(block.textContent));

function draw() {
  const style = getComputedStyle(document.documentElement);
  const [page, ink] = [style.getPropertyValue('--page'), style.getPropertyValue('--ink')];
  figures.forEach((figure, i) => {
    const layout = { ...figure.layout, paper_bgcolor: page, plot_bgcolor: page, font: { ...figure.layout.font, color: ink } };
    globalThis.Plotly.react(`chart-${i}`, figure.data, layout, figure.config);
  });
}

const packed = Uint8Array.from(atob(document.getElementById('plotly').textContent), (letter) => letter.charCodeAt(0));
const script = document.createElement('script');
script.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'))).text();
document.head.append(script);
dark.addEventListener('change', draw);
draw();
