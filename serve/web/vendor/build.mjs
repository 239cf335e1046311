// Rebuilds the libraries beside this file from npm, at the versions of lock.json.
//
//   node serve/web/vendor/build.mjs           writes the files and their sums
//   node serve/web/vendor/build.mjs --check   compares what it makes with what is here
//
// Each library becomes one ES module, so that the page needs no bundler and no import
// map. npm and esbuild are needed here alone, never to build or run eclat.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, writeFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const lock = JSON.parse(readFileSync(join(here, "lock.json"), "utf8"));
const check = process.argv.includes("--check");

const languages = ["bash", "c", "cpp", "csharp", "css", "diff", "dockerfile", "glsl", "go", "ini", "java",
  "javascript", "json", "kotlin", "lua", "makefile", "php", "python", "r", "ruby", "rust", "sql", "swift",
  "typescript", "xml", "yaml"];

// What each module holds, as the source of its entry.
const modules = {
  "preact.js": `export { h, render, Component, Fragment } from "preact";
    export { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback } from "preact/hooks";
    export { signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect } from "@preact/signals";
    import { h } from "preact"; import htm from "htm"; export const html = htm.bind(h);`,
  "marked.js": `export { Marked } from "marked";`,
  "purify.js": `export { default } from "dompurify";`,
  "highlight.js": `import core from "highlight.js/lib/core";
    ${languages.map((l, i) => `import l${i} from "highlight.js/lib/languages/${l}";`).join("\n")}
    ${languages.map((l, i) => `core.registerLanguage("${l}", l${i});`).join("\n")}
    export default core;`,
  "temml.js": `export { default } from "temml";`,
  "uplot.js": `export { default } from "uplot";`,
};
// Files that are taken as they are.
const copies = {
  "uplot.css": "uplot/dist/uPlot.min.css",
  "temml.woff2": "temml/dist/Temml.woff2",
  "licences/preact.txt": "preact/LICENSE",
  "licences/preact-signals.txt": "@preact/signals/LICENSE",
  "licences/htm.txt": "htm/LICENSE",
  "licences/marked.txt": "marked/LICENSE",
  "licences/dompurify.txt": "dompurify/LICENSE",
  "licences/highlight.txt": "highlight.js/LICENSE",
  "licences/temml.txt": "temml/LICENSE",
  "licences/uplot.txt": "uplot/LICENSE",
  "../testdata/axe-core.txt": "axe-core/LICENSE",
  "../testdata/axe.min.js": "axe-core/axe.min.js", // for the tests alone
};

const work = mkdtempSync(join(tmpdir(), "vendor-"));
try {
  const npm = (...args) => execFileSync("npm", args, { cwd: work, stdio: "inherit" });
  writeFileSync(join(work, "package.json"), JSON.stringify({ private: true, dependencies: lock.packages }));
  npm("install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent");
  const { build } = createRequire(join(work, "x.js"))("esbuild");
  const out = {};
  for (const [name, contents] of Object.entries(modules)) {
    const made = await build({ stdin: { contents, resolveDir: work }, bundle: true, minify: true, format: "esm",
      target: "es2022", charset: "utf8", legalComments: "inline", write: false });
    out[name] = Buffer.from(made.outputFiles[0].contents);
  }
  for (const [name, from] of Object.entries(copies)) out[name] = readFileSync(join(work, "node_modules", from));

  const files = {};
  let differ = 0;
  for (const name of Object.keys(out).sort()) {
    files[name] = createHash("sha256").update(out[name]).digest("hex");
    if (check && files[name] !== lock.files[name]) {
      console.error(`${name}: made ${files[name]}, locked ${lock.files[name]}`);
      differ++;
    }
    if (!check) {
      mkdirSync(dirname(join(here, name)), { recursive: true });
      writeFileSync(join(here, name), out[name]);
    }
  }
  if (!check) writeFileSync(join(here, "lock.json"), JSON.stringify({ packages: lock.packages, files }, null, 2) + "\n");
  console.log(`${Object.keys(out).length} files, ${differ} differ`);
  process.exitCode = differ ? 1 : 0;
} finally {
  rmSync(work, { recursive: true });
}
