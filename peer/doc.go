// Package peer lets other machines compute stages of a model.
//
//	network.go   how peers reach each other: the interface that libp2p/ implements
//	frame.go     frames on a stream: a head and rows, bounded
//	protocol.go  what is said: hello, fit, load, compile, run, units; errors
//	identity.go  sums by which both sides know that they mean the same model and stage
//	receipt.go   what a worker signs of what it answered
//	worker.go    the side that computes: sessions on streams
//	session.go   one coordinator's stage on a worker
//	program.go   its programs: what is compiled, run and read of them, and units of memory
//	spare.go     a peer that holds a stage already, to take its place
//	remote.go    the side that asks: model.Device of a worker
//	line.go      a stream to a worker, one request at a time
//	backend.go   model.Backend of a worker, and its programs
//	blob.go      manifests and chunks of a fragments folder for others
//	source.go    and from others: a fragment.Source
//	stock.go     models that a worker has, or fetches, in fragments
//	measure.go   how fast a worker is, and the way to it
//	leave.go     what a worker is at; draining
//	place/       which layers go where
//	delay/       a slow network, for tests and benchmarks
//	libp2p/      the network: keys, the list of who may come, TCP and QUIC
//
// A worker gets no plan, no path and no code from a coordinator: both write the plan of
// the stage from their own file of the model, and compare its sum. What travels are
// positions, tables and rows of activations. Rows are float32, so a model that runs over
// several machines gives the bits of one, or in a format of model/rows that a coordinator
// chooses (Device.Rows): then each row is rounded by whoever sends it, and the bits are those
// of the placement and the format. Logits and units of memory always come as they are.
//
// Whoever is not on a worker's list is refused by the network before anything is read.
// Who is on it is still not trusted with memory: frames are bounded before they are
// read, a batch is checked as one of a backend's own, and an error ends a session, never
// the worker. A coordinator trusts a worker's rows as far as they are of the right size, and
// has a receipt for them at least every 32 rows.
//
// Requests and answers are numbered and each number comes once: what is said again, or out
// of order, ends the stream. A worker that is lost, killed, silent, too slow or wrong in what
// can be seen is model.ErrLost to the engine, which opens the device again: that is where
// another worker takes the place (Device.Peers). The engine sends it what the one before was
// sent, and sees by the bits that it makes no difference; package engine/journal says how.
// Whether the numbers are right the engine finds out with a second copy, if it is asked to.
//
// A Worker is for any number of sessions; each has a goroutine that owns its backend and
// one that reads. A remote backend belongs to one goroutine, as every backend.
package peer
