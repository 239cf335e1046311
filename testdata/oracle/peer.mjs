// llama.cpp's own answer on a CPU, through node-llama-cpp, as JSON on stdout:
// for each position the 20 largest probabilities and the natural logarithm of the
// next token's. usage: node peer.mjs FOLDER MODEL.gguf ID,ID,…
// FOLDER is where `npm install node-llama-cpp@3.22.1` was run.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

const [, , folder, file, list] = process.argv;
const entry = createRequire(path.resolve(folder, "package.json")).resolve("node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(entry));

const ids = list.split(",").map(Number);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 2});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
const context = await model.createContext({contextSize: Math.max(512, ids.length), batchSize: 512, threads: 2, flashAttention: false});
const all = {generateNext: {probabilities: true, temperature: 1, topK: 0, topP: 1, minP: 0}};
const answers = await context.getSequence().controlledEvaluate(ids.map((id) => [id, all]));

const rows = answers.map(({next}, i) => {
    const best = [...next.probabilities.entries()].sort((a, b) => b[1] - a[1]).slice(0, 20);
    const p = next.probabilities.get(ids[i + 1]);
    return {top: best.map(([id, q]) => [id, Number(q.toPrecision(7))]), lp: p ? Number(Math.log(p).toFixed(6)) : null};
});
process.stdout.write(JSON.stringify(rows), () => process.exit(0));
