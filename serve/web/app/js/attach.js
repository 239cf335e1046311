// Text files that go with a message. Others are refused: the models read text.

/** limits: bytes of a file, files of a message, and from how many letters on pasted text becomes a file. */
export const limits = { bytes: 1 << 20, files: 10, paste: 4000 };

/** readFile returns {name, text}, or throws with a reason that names the file. */
export async function readFile(file) {
  if (file.size > limits.bytes) throw new Error(`${file.name} is larger than 1 MiB`);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is not a text file`);
  }
  if (text.includes("\0")) throw new Error(`${file.name} is not a text file`);
  return { name: file.name, text };
}

/** fileText writes a file as the model reads it: named, between fences longer than any within. */
export function fileText({ name, text }) {
  const longest = Math.max(2, ...(text.match(/`{3,}/g) ?? []).map((s) => s.length));
  const fence = "`".repeat(longest + 1);
  return `File ${JSON.stringify(name)}:\n${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}
