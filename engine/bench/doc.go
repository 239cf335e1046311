// Package bench measures how fast a model runs on a device.
//
// The tests are llama-bench's: ppN reads a prompt of N tokens, tgN generates N
// tokens one by one, each at a depth: the number of tokens in key–value memory
// before the clock starts. They run through Engine.Generate, which is the path of
// `eclat run`, and the times are its Stats: of a prompt until its first token is
// chosen, of a text from the first token to the last, without compiling. Each is
// warmed up, then repeated; a rate is the mean of the repetitions' rates.
//
// Beside the rates stand the device's own limits, measured and not looked up: how
// fast it reads or copies memory, which bounds decoding, and how fast it multiplies the
// model's largest matrix, which bounds reading a prompt. Profile breaks one token
// down by op. Synthetic writes models of well-known shapes with random weights.
//
// Nothing here may run beside other work on the same device: it would be measured too.
package bench
