// Work of the server's that takes a while: it is started, shown as it goes, and can be stopped.
import { useEffect, useRef, useState } from "../../../vendor/preact.js";
import { lacks } from "./pageparts.js";
import { ask, events } from "../api.js";

/** useRun sends a request whose answer is a stream, and keeps what is on its way. */
export function useRun(path, what) {
  const [state, setState] = useState({ running: false, wrong: "", progress: null });
  const stopper = useRef(null);
  useEffect(() => () => stopper.current?.abort(), []);
  const run = async (body, take) => {
    stopper.current = new AbortController();
    setState({ running: true, wrong: "", progress: null });
    let wrong = "";
    try {
      for await (const e of events(await ask(path, { body, signal: stopper.current.signal }))) {
        if (e.progress) setState({ running: true, wrong: "", progress: e.progress });
        else take(e);
      }
    } catch (e) {
      wrong = e.name === "AbortError" ? "Stopped." : lacks(e, what);
    }
    setState({ running: false, wrong, progress: null });
  };
  return { ...state, run, stop: () => stopper.current?.abort() };
}
