// A chat is a tree of messages: editing or asking anew makes a brother, never a loss.
// Functions here take a Map from id to a message's signal, and change nothing.

/** path returns the ids from the top to leaf. */
export function path(messages, leaf) {
  const ids = [];
  for (let id = leaf; id && messages.has(id); id = messages.get(id).peek().parent) ids.push(id);
  return ids.reverse();
}

/** children returns for each parent (null for the top) its messages' ids, oldest first. */
export function children(messages) {
  const of = new Map();
  for (const [id, s] of messages) {
    const { parent } = s.peek();
    if (!of.has(parent)) of.set(parent, []);
    of.get(parent).push(id);
  }
  const at = (id) => messages.get(id).peek().at;
  for (const ids of of.values()) ids.sort((a, b) => at(a) - at(b) || (a < b ? -1 : 1));
  return of;
}

/** leafBelow follows the youngest message of each level down from id. */
export function leafBelow(of, id) {
  while (of.get(id)?.length) id = of.get(id).at(-1);
  return id;
}

/** sent returns the messages of a path that a server is to read: from the first that is still sent. */
export function sent(messages, ids, from) {
  const start = from ? Math.max(0, ids.indexOf(from)) : 0;
  return ids.slice(start).map((id) => messages.get(id).peek());
}
