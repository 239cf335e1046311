// Tokens a second of several answers at once by llama.cpp on a CPU, in one context and one
// process, through node-llama-cpp: what BenchmarkStreams of package serve measures of ours,
// there with HTTP between. usage: node streams.mjs FOLDER MODEL.gguf [STREAMS [TOKENS [ROUNDS [THREADS]]]]
// FOLDER is where `npm install node-llama-cpp@3.22.1` was run.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

const [, , folder, file, streams = "8", tokens = "96", rounds = "3", threads = "2"] = process.argv;
const entry = createRequire(path.resolve(folder, "package.json")).resolve("node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(entry));

const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: Number(threads)});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
const context = await model.createContext({sequences: Number(streams), contextSize: 512, batchSize: 512, threads: Number(threads), flashAttention: true});
const sequences = Array.from({length: Number(streams)}, () => context.getSequence());

// The same number of tokens whatever the model has as its end.
const answer = async (sequence, i) => {
    await sequence.clearHistory();
    const prompt = model.tokenize(`Speak of the ${i}. state of the Union.`);
    let n = 0;
    for await (const _ of sequence.evaluate(prompt, {temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, seed: i, yieldEogToken: true})) {
        if (++n === Number(tokens)) break;
    }
    return n;
};

await Promise.all(sequences.map(answer)); // the first time is not counted
for (let round = 0; round < Number(rounds); round++) {
    const start = performance.now();
    const all = await Promise.all(sequences.map(answer));
    const seconds = (performance.now() - start) / 1000;
    console.log(`${streams} streams: ${(all.reduce((a, b) => a + b) / seconds).toFixed(1)} tokens/s`);
}
process.exit(0);
