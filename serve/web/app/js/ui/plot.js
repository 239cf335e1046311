// A chart by uPlot, which comes on first use, in the page's colours and at its width.
import { html, useEffect, useRef, useState } from "../../../vendor/preact.js";
import { theme } from "./frame.js";

let library;

/** plotLibrary brings uPlot and its style sheet. */
function plotLibrary() {
  library ??= Promise.all([import("../../../vendor/uplot.js"), new Promise((done, failed) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/vendor/uplot.css", onload: done, onerror: failed });
    document.head.append(link);
  })]).then(([m]) => m.default);
  return library;
}

/**
 * Plot draws lines: x are numbers in rising order, series {label, values, colour (0…5)},
 * null for no value. bars draws bars instead. summary is what is read out.
 */
export function Plot({ title, x, series, xLabel, yLabel, bars = false, summary }) {
  const box = useRef(), plot = useRef(), [wrong, setWrong] = useState("");
  const [dark, setDark] = useState(0); // counts changes of the system's colours
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)"), changed = () => setDark((n) => n + 1);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    let gone = false, seen;
    plotLibrary().then((UPlot) => {
      if (gone) return;
      const probe = document.createElement("span");
      box.current.append(probe);
      // A canvas knows no variables: each colour is read off an element that has it.
      const colour = (name) => { probe.className = name; return getComputedStyle(probe).color; };
      const ink = colour("plot-ink"), grid = { stroke: colour("plot-grid"), width: 1 }, font = `12px ${getComputedStyle(box.current).fontFamily}`;
      const axis = (label) => ({ label, stroke: ink, grid, ticks: grid, font, labelFont: font, labelSize: 22 });
      const lines = series.map((s) => {
        const stroke = colour(`plot-c${s.colour % 6}`);
        return { label: s.label, stroke, width: 2, points: { show: !bars && x.length < 60, size: 6, fill: stroke },
          ...(bars && { fill: stroke, paths: UPlot.paths.bars({ size: [0.7, 40] }), width: 0 }) };
      });
      probe.remove();
      const span = x.length > 1 ? undefined : [x[0] - 1, x[0] + 1];
      plot.current = new UPlot({ width: box.current.clientWidth, height: 240, scales: { x: { time: false, range: span }, y: { range: (u, lo, hi) => [0, hi > 0 ? hi * 1.1 : 1] } },
        axes: [axis(xLabel), { ...axis(yLabel), size: 62 }], series: [{ label: xLabel }, ...lines], legend: { live: false, show: series.length > 1 }, cursor: { drag: { x: false, y: false } } },
      [x, ...series.map((s) => s.values)], box.current);
      seen = new ResizeObserver(() => { if (box.current) plot.current?.setSize({ width: box.current.clientWidth, height: 240 }); }); // it may fire once more while the chart goes
      seen.observe(box.current);
      box.current.dataset.drawn = "";
    }, () => setWrong("The chart could not be drawn; the table has its figures."));
    return () => { gone = true; seen?.disconnect(); plot.current?.destroy(); plot.current = null; };
  }, [x, series, theme.value, dark]);
  return html`<figure class="plot"><figcaption>${title}</figcaption><div ref=${box} role="img" aria-label=${`${title}. ${summary}`}></div>${wrong && html`<p class="faint">${wrong}</p>`}</figure>`;
}
