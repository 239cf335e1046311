// Small parts that every page uses: icons, buttons with a name, the memo.
import { h, html, Component, useEffect, useRef } from "../../../vendor/preact.js";

const shapes = {
  new: "M10 4v12M4 10h12",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  search: "M9 3.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zm4 9.5 4 4",
  pin: "M7 3h6l-.8 5.2 2.8 3.300H5l2.8-3.300zM10 11.500V17",
  dots: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  edit: "M4 16l.8-3.600L13.5 3.700l2.8 2.8-8.7 8.700z",
  copy: "M7 7h9v9H7zM13 7V4H4v9h3",
  again: "M16 10a6 6 0 1 1-1.8-4.300M16 3v3.500h-3.5",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  down: "M10 4v11M5 10.500l5 5 5-5",
  up: "M10 16V5M5 9.500l5-5 5 5",
  stop: "M6 6h8v8H6z",
  clip: "M14.5 9.500l-5 5a3 3 0 0 1-4.3-4.300l6-6a2 2 0 0 1 2.9 2.900l-6 6a1 1 0 0 1-1.4-1.400l5-5",
  sliders: "M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4",
  close: "M5 5l10 10M15 5L5 15",
  branch: "M6 4v12M6 12c0-4 8-2 8-7M14 7.500V4",
  chip: "M6 6h8v8H6zM8 3v3M12 3v3M8 14v3M12 14v3M3 8h3M3 12h3M14 8h3M14 12h3",
  gauge: "M3.5 14a6.5 6.5 0 1 1 13 0M10 14l3-4",
  bin: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6",
  save: "M10 3v9M6 8.500l4 4 4-4M4 16h12",
  play: "M7 5l8 5-8 5z",
  percent: "M5 15L15 5M6.5 5.500v.01M13.5 14.500v.01",
  check: "M4 10.500l4 4 8-9",
  think: "M10 3.500a4.8 4.8 0 0 0-2.5 8.900V15h5v-2.600A4.8 4.8 0 0 0 10 3.500zM8 17.500h4",
  tool: "M12 4a3.5 3.5 0 0 0-3.3 4.700L4 13.4 6.6 16l4.7-4.700A3.5 3.5 0 0 0 16 8l-2 1.5-2-1-.5-2.200z",
  file: "M6 3h5l3.5 3.500V17H6zM11 3v4h3.5",
  sun: "M10 6.500a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.5 10H18M4.3 4.300l1.1 1.100M14.6 14.600l1.1 1.100M4.3 15.700l1.1-1.100M14.6 5.400l1.1-1.1",
  moon: "M15.5 12A6.5 6.5 0 0 1 8 4.500a6 6 0 1 0 7.5 7.500z",
  half: "M10 3.500a6.5 6.5 0 1 1 0 13zM10 3.500a6.5 6.5 0 1 0 0 13",
};

export const icon = (name) => html`<svg class=${"icon is-" + name} viewBox="0 0 20 20" aria-hidden="true"><path d=${shapes[name]} /></svg>`;

/** IconButton shows an icon; its name is read out and shown by the pointer. */
export const IconButton = ({ name, label, act, pressed, disabled, cls = "", expanded, controls, children }) => html`
  <button type="button" class=${"icon-button " + cls} aria-label=${label} title=${label} onClick=${act} disabled=${disabled}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)} aria-expanded=${expanded === undefined ? undefined : String(expanded)}
    aria-controls=${controls}>${icon(name)}${children}</button>`;

/** logo is the shard. */
export const logo = html`<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><path d="M13.5 1.5 5 13l4.2.8z" /><path class="lit" d="m13.5 1.5-4.3 12.3 5.1 1z" /><path d="m13.5 1.5 5.5 9-4.7 4.300z" /><path class="dim" d="m5 14.6 4.4.9 1.1 7z" /><path class="lit" d="m10.7 15.8 3.8.7-2.8 6z" /></svg>`;

/** memo makes a component that is rendered again only where a property or a signal it reads changes. */
export function memo(C) {
  return class extends Component {
    shouldComponentUpdate(next) {
      for (const k in next) if (next[k] !== this.props[k]) return true;
      return false;
    }
    render(props) { return h(C, props); }
  };
}

/** Sheet is a dialog that takes the keyboard and gives it back; Escape closes it. */
export function Sheet({ label, close, cls = "", children }) {
  const ref = useRef();
  useEffect(() => { ref.current.showModal(); }, []);
  return html`<dialog class=${"sheet " + cls} ref=${ref} aria-label=${label} onClose=${close}
    onClick=${(e) => { if (e.target === ref.current) ref.current.close(); }}>
    <div class="sheet-in"><header><h2>${label}</h2><${IconButton} name="close" label="Close" act=${() => ref.current.close()} /></header>${children}</div></dialog>`;
}

/** Menu opens below its button; the arrows move in it. */
export function Menu({ label, name = "dots", items, cls = "" }) {
  const ref = useRef();
  const move = (e) => {
    const list = [...ref.current.querySelectorAll("[role=menuitem]")], at = list.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    list[(to + list.length) % list.length].focus();
  };
  const toggled = (e) => {
    if (!ref.current) return; // what it belonged to is gone
    const button = ref.current.previousElementSibling;
    button.setAttribute("aria-expanded", String(e.newState === "open"));
    if (e.newState !== "open") return;
    const b = button.getBoundingClientRect(), m = ref.current;
    m.style.left = Math.max(8, Math.min(b.right - m.offsetWidth, innerWidth - m.offsetWidth - 8)) + "px";
    m.style.top = (b.bottom + m.offsetHeight + 8 > innerHeight ? b.top - m.offsetHeight - 4 : b.bottom + 4) + "px";
    m.querySelector("[role=menuitem]")?.focus();
  };
  return html`<span class=${"menu " + cls}>
    <button type="button" class="icon-button" aria-label=${label} title=${label} aria-haspopup="menu" aria-expanded="false"
      onClick=${(e) => { e.preventDefault(); e.stopPropagation(); ref.current.togglePopover(); }}>${icon(name)}</button>
    <div popover="auto" role="menu" class="menu-list" ref=${ref} onKeyDown=${move} onToggle=${toggled}>
      ${items.map((item) => html`<button type="button" role="menuitem" class=${item.cls ?? ""} key=${item.label} onClick=${() => { ref.current.hidePopover(); item.act(); }}>${icon(item.icon)}${item.label}</button>`)}
    </div></span>`;
}
