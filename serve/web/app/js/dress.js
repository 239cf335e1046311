// What is done to a block once it is on the page: code gets its colours, formulas are
// set. The libraries for it come on first use; until then the text stands as it is, in
// the same place and size.
let highlight, temml;
const coming = new Map();

/** need brings a library once, and again where it did not come. */
function need(path, use) {
  if (!coming.has(path)) coming.set(path, import(path).then((m) => m.default));
  coming.get(path).then(use, () => coming.delete(path));
}

const aliases = { sh: "bash", shell: "bash", zsh: "bash", console: "bash", js: "javascript", mjs: "javascript", jsx: "javascript", ts: "typescript",
  tsx: "typescript", py: "python", golang: "go", "c++": "cpp", cc: "cpp", h: "c", hpp: "cpp", "c#": "csharp", cs: "csharp", rs: "rust", rb: "ruby",
  html: "xml", svg: "xml", yml: "yaml", toml: "ini", kt: "kotlin", comp: "glsl", vert: "glsl", frag: "glsl", docker: "dockerfile", make: "makefile", patch: "diff" };

const longest = 60000; // letters that are coloured; more would hold up the page

/** dress colours and sets what lies in an element, now or when the library for it has come. */
export function dress(element) {
  const code = element.querySelectorAll("code[data-lang]:not([data-lang=''])"), maths = element.querySelectorAll(".math:not([data-set])");
  if (code.length) {
    if (highlight) code.forEach(colour);
    else need("/vendor/highlight.js", (m) => { highlight = m; code.forEach(colour); });
  }
  if (maths.length) {
    if (temml) maths.forEach(set);
    else need("/vendor/temml.js", (m) => { temml = m; maths.forEach(set); });
  }
}

function colour(code) {
  const name = code.dataset.lang.toLowerCase(), language = aliases[name] ?? name;
  if ("set" in code.dataset || !highlight.getLanguage(language) || code.textContent.length > longest) return;
  code.dataset.set = "";
  // The emitter of highlight.js gives nodes here, so that no text is read as HTML.
  const tree = highlight.highlight(code.textContent, { language, ignoreIllegals: true })._emitter;
  code.replaceChildren(...nodes(tree.rootNode.children));
}

function nodes(children) {
  return children.map((child) => {
    if (typeof child === "string") return document.createTextNode(child);
    const span = document.createElement("span");
    span.className = (child.scope ?? "").split(".").map((s, i) => i ? s + "_".repeat(i) : "hl-" + s).join(" ");
    span.append(...nodes(child.children));
    return span;
  });
}

function set(span) {
  if ("set" in span.dataset) return;
  span.dataset.set = "";
  const source = span.dataset.tex;
  if (source.length > 20000) return;
  try {
    temml.render(source, span, { displayMode: span.dataset.display !== undefined, throwOnError: true, trust: false, maxExpand: 500, maxSize: [50, 50] });
  } catch {
    span.textContent = source; // what cannot be set stays as it was written
    span.classList.add("unset");
  }
}
