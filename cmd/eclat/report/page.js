"use strict";
// Draws the charts. Colours are the page's variables, so that light, dark and
// print are the style sheet's business alone.
(() => {
  const palette = d3.range(10).map((i) => `var(--c${i})`);
  const short = d3.format(".3~s");
  const number = (x) => (x !== 0 && Math.abs(x) < 1e-3 ? d3.format(".1e")(x) : short(x));

  const power = d3.format(".0e");

  // An op has the same colour in every chart.
  const named = (c) => c.kind === "bars" && c.points.some((p) => p.label !== p.series);
  const ops = [...new Set(charts.filter(named).flatMap((c) => c.points.map((p) => p.series)))];
  const colour = (c) => (s, i) => palette[(named(c) ? ops.indexOf(s) : i) % palette.length];

  const common = (c, series, width) => ({
    width: Math.max(420, width),
    style: { fontSize: "12px", background: "none" },
    color: { domain: series, range: series.map(colour(c)), legend: c.kind === "lines" || (c.kind === "dots" ? series.length > 1 : named(c)) },
    marginLeft: 62,
    marginBottom: 40,
  });

  const draw = {
    bars(c, options) {
      const widest = d3.max(c.points, (p) => p.label.length) ?? 0;
      const deviations = c.points.filter((p) => p.dev > 0);
      return Plot.plot({
        ...options,
        marginLeft: Math.min(300, 16 + 7 * widest),
        marginRight: 60,
        height: 60 + 24 * new Set(c.points.map((p) => p.label)).size,
        x: { label: c.x, grid: true, tickFormat: number, ticks: 6 },
        y: { label: null, domain: [...new Set(c.points.map((p) => p.label))] },
        marks: [
          Plot.barX(c.points, { x: "x", y: "label", fill: "series", title: "tip", tip: true, rx: 2, fillOpacity: 0.9 }),
          Plot.ruleY(deviations, { y: "label", x1: (p) => p.x - p.dev, x2: (p) => p.x + p.dev, stroke: "currentColor" }),
          Plot.text(c.points, { x: (p) => p.x + (p.dev || 0), y: "label", text: (p) => number(p.x), textAnchor: "start", dx: 6, fill: "currentColor" }),
          Plot.ruleX([0]),
        ],
      });
    },
    lines(c, options) {
      const deviations = c.points.filter((p) => p.dev > 0);
      return Plot.plot({
        ...options,
        height: 320,
        x: { label: c.x, grid: true, tickFormat: number, nice: true },
        y: { label: c.y, grid: true, tickFormat: number, nice: true, zero: true },
        marks: [
          Plot.ruleY([0]),
          Plot.line(c.points, { x: "x", y: "y", stroke: "series", strokeWidth: 2 }),
          Plot.ruleX(deviations, { x: "x", y1: (p) => p.y - p.dev, y2: (p) => p.y + p.dev, stroke: "series" }),
          Plot.dot(c.points, { x: "x", y: "y", fill: "series", r: 4, title: "tip", tip: true }),
        ],
      });
    },
    dots(c, options) {
      const joined = c.points.filter((p) => p.series === c.line);
      const whole = (n, most) => d3.range(0, n + 1, Math.ceil((n + 1) / most));
      const [least, largest] = d3.extent([...c.points.map((p) => p.y), ...(c.limit ? [c.limit] : [])]);
      const low = Math.floor(Math.log10(least)), high = Math.max(low + 1, Math.ceil(Math.log10(largest)));
      const decades = d3.range(low, high + 1, Math.ceil((high - low + 1) / 12)).map((e) => Number(`1e${e}`));
      return Plot.plot({
        ...options,
        height: 340,
        insetLeft: 8,
        insetRight: 8,
        x: { label: c.x, grid: true, domain: [0, c.last], ticks: whole(c.last, 14), tickFormat: String },
        y: c.log
          ? { label: c.y, grid: true, type: "log", domain: [Number(`1e${low}`), Number(`1e${high}`)], ticks: decades, tickFormat: power }
          : { label: c.y, grid: true, nice: true, tickFormat: number },
        marks: [
          c.limit ? Plot.ruleY([c.limit], { stroke: "var(--bad)", strokeDasharray: "5 4" }) : null,
          c.limit ? Plot.text([c.limit], { y: (d) => d, frameAnchor: "right", text: (d) => `limit ${power(d)}`, dy: -8, textAnchor: "end", fill: "var(--bad)" }) : null,
          Plot.line(joined, { x: "x", y: "y", stroke: "series", strokeWidth: 1.5 }),
          Plot.dot(c.points, { x: "x", y: "y", fill: "series", r: 3, fillOpacity: 0.85, title: "tip", tip: true }),
        ],
      });
    },
  };

  charts.forEach((c, i) => {
    const at = document.getElementById(`chart-${i}`);
    c.last = d3.max(c.points, (p) => p.x);
    if (c.log) c.points = c.points.filter((p) => p.y > 0);
    if (c.points.length === 0) {
      at.textContent = "Nothing to draw: the two sides are equal.";
      return;
    }
    const series = [...new Set(c.points.map((p) => p.series))];
    at.append(draw[c.kind](c, common(c, series, at.clientWidth)));
  });
  document.documentElement.dataset.drawn = charts.length;
})();
