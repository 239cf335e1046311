// Markdown to HTML, in blocks.
//
// A text that grows is cut into blocks; only the last one is open, and only it is parsed
// again when more comes. What a model writes is text: HTML in it is shown, not run, but
// for a few tags without attributes. DOMPurify stands behind that as a second wall, and
// the page's policy behind both.
import { Marked } from "../../vendor/marked.js";
import purify from "../../vendor/purify.js";
import { counts } from "./counts.js";

const escape = (s) => s.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);
const plainTag = /^<\/?(?:br|sub|sup|kbd|u|mark|details|summary)\s*\/?>$/i;

// tex writes mathematics for math.js to set, once it is on the page.
const tex = (source, display) => `<span class="math" data-tex="${escape(source)}"${display ? ' data-display=""' : ""}>${escape(source)}</span>`;

const maths = [{
  name: "displayMath", level: "block",
  start: (s) => s.match(/(?:^|\n)(?:\$\$|\\\[)/)?.index,
  tokenizer(s) {
    const m = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/.exec(s);
    return m ? { type: "displayMath", raw: m[0], source: (m[1] ?? m[2]).trim() } : undefined;
  },
  renderer: (t) => `<p class="display">${tex(t.source, true)}</p>`,
}, {
  name: "inlineMath", level: "inline",
  start: (s) => s.match(/\$|\\\(|\\\[/)?.index,
  tokenizer(s) {
    // A dollar begins mathematics where no space follows and the closing one has no
    // space before and no digit after it: prices stay prices.
    const m = /^(?:\$\$([^\n]+?)\$\$|\\\[([^\n]+?)\\\]|\\\((.+?)\\\)|\$(?!\s)((?:\\.|[^\\\n$])+?)(?<!\s)\$(?!\d))/.exec(s);
    return m ? { type: "inlineMath", raw: m[0], source: (m[1] ?? m[2] ?? m[3] ?? m[4]).trim(), display: Boolean(m[1] ?? m[2]) } : undefined;
  },
  renderer: (t) => tex(t.source, t.display),
}];

function safeLink(href) {
  try {
    return ["http:", "https:", "mailto:"].includes(new URL(href, "about:blank").protocol) ? href : "";
  } catch {
    return "";
  }
}

const marked = new Marked({
  gfm: true,
  renderer: {
    html: (t) => plainTag.test(t.text.trim()) ? t.text : t.text.split(/(<[^<>]*>)/).map((s) => plainTag.test(s) ? s : escape(s)).join(""),
    link({ href, title, tokens }) {
      const to = safeLink(href), text = this.parser.parseInline(tokens);
      return to ? `<a href="${escape(to)}"${title ? ` title="${escape(title)}"` : ""} target="_blank" rel="noopener noreferrer nofollow">${text}</a>` : text;
    },
    // A picture would be a request to another host: it becomes a link that says so.
    image({ href, text }) {
      const to = safeLink(href), name = escape(text || "picture");
      return to ? `<a class="picture" href="${escape(to)}" target="_blank" rel="noopener noreferrer nofollow">${name} (picture, not loaded)</a>` : name;
    },
    code({ text, lang }) {
      const name = (lang ?? "").trim().split(/\s+/)[0].slice(0, 30);
      return `<div class="code"><div class="code-head"><span>${escape(name || "text")}</span><button type="button" class="quiet" data-do="wrap" aria-pressed="false">Wrap</button><button type="button" class="quiet" data-do="copy">Copy</button></div>` +
        `<pre tabindex="0" dir="ltr"><code data-lang="${escape(name)}">${escape(text)}\n</code></pre></div>`;
    },
    table(token) {
      const row = (cells, tag) => "<tr>" + cells.map((c) => `<${tag}${c.align ? ` class="to-${c.align}"` : ""} dir="auto">${this.parser.parseInline(c.tokens)}</${tag}>`).join("") + "</tr>";
      return `<div class="wide" tabindex="0"><table><thead>${row(token.header, "th")}</thead><tbody>${token.rows.map((r) => row(r, "td")).join("")}</tbody></table></div>`;
    },
    heading({ tokens, depth }) {
      // A message has a heading of its own, on the second level.
      const h = Math.max(3, Math.min(6, depth + 1));
      return `<h${h} class="h${depth}" dir="auto">${this.parser.parseInline(tokens)}</h${h}>`;
    },
    paragraph({ tokens }) { return `<p dir="auto">${this.parser.parseInline(tokens)}</p>`; },
    checkbox: ({ checked }) => checked ? "☑ " : "☐ ",
  },
});
marked.use({ extensions: maths });

const sanitise = {
  ALLOWED_TAGS: ["p", "br", "hr", "em", "strong", "del", "code", "pre", "a", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr",
    "th", "td", "h3", "h4", "h5", "h6", "div", "span", "button", "sub", "sup", "kbd", "u", "mark", "details", "summary"],
  ALLOWED_ATTR: ["href", "title", "target", "rel", "class", "dir", "start", "type", "tabindex", "data-tex", "data-display", "data-lang", "data-do", "aria-pressed"],
  ALLOW_DATA_ATTR: false, RETURN_TRUSTED_TYPE: true,
};

/** html turns the tokens of one block into HTML that is safe to show. */
function html(tokens) {
  counts.blocks++;
  return purify.sanitize(marked.parser(tokens), sanitise);
}

/** Growing is a text that grows by its end, and its blocks' HTML. */
export class Growing {
  #text = ""; #done = []; #start = 0; #links = {}; // #start: where the open block begins
  #open = { raw: null, html: null }; // the open block as it was last

  /** blocks returns the HTML of each block of the text; those before the last are the same objects as before. */
  blocks(text) {
    if (!text.startsWith(this.#text)) { this.#done = []; this.#start = 0; this.#links = {}; }
    this.#text = text;
    const tokens = marked.lexer(text.slice(this.#start));
    Object.assign(this.#links, tokens.links);
    // A blank line does not end a list: the last block with anything in it stays open.
    let open = tokens.length - 1;
    while (open > 0 && !hasText(tokens[open])) open--;
    for (const t of tokens.slice(0, open)) {
      this.#start += t.raw.length;
      if (hasText(t)) this.#done.push(this.#html(t));
    }
    const last = tokens[open];
    return last && hasText(last) ? [...this.#done, this.#html(last)] : [...this.#done];
  }

  /** A block that has not changed since it was the open one keeps its HTML. */
  #html(token) {
    const raw = token.raw.trimEnd();
    if (this.#open.raw !== raw) {
      const list = [token];
      list.links = this.#links;
      this.#open = { raw, html: html(list) };
    }
    return this.#open.html;
  }
}

const hasText = (token) => token.type !== "space" && token.type !== "def";
