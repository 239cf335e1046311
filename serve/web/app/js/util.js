// Small things that several files need: ids, numbers and times for people.

/** newId returns 16 random letters and digits. crypto.randomUUID is not there off loopback without TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => "0123456789abcdefghijklmnopqrstuv"[b & 31]).join("");
}

const whole = new Intl.NumberFormat("en");

/** count writes a whole number with its thousands apart. */
export const count = (n) => whole.format(Math.round(n));

/** rate writes a number with three significant digits. */
export const rate = (x) => x >= 100 ? count(x) : x >= 10 ? x.toFixed(1) : x.toFixed(2);

/** duration writes milliseconds as ms, s or min. */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
}

/** bytes writes a size in the units that memory is sold in. */
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** when writes a time as short as its distance allows. */
export function when(time, now = Date.now()) {
  const d = new Date(time), today = new Date(now);
  if (d.toDateString() === today.toDateString()) return d.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const same = d.getFullYear() === today.getFullYear();
  return d.toLocaleDateString("en-GB", same ? { day: "numeric", month: "short" } : { day: "numeric", month: "short", year: "numeric" });
}

/** period names the part of a list of chats that a time belongs to. */
export function period(time, now = Date.now()) {
  const start = new Date(now).setHours(0, 0, 0, 0), day = 86400e3;
  if (time >= start) return "Today";
  if (time >= start - day) return "Yesterday";
  if (time >= start - 7 * day) return "Last seven days";
  if (time >= start - 30 * day) return "Last thirty days";
  return "Earlier";
}

/** copyText puts text on the clipboard; off loopback without TLS only the old way is open. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser does not allow copying");
}

/** download gives the reader a file. */
export function download(name, type, text) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([text], { type }));
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 60e3);
}

/** mac says whether the command key stands for Ctrl. */
export const mac = /Mac|iPhone|iPad/.test(navigator.platform);
