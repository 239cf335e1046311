// Package core is what all APIs of the server share: who may ask, the models, answers on
// their way out, and what is counted of them.
//
//	guard.go     who may ask: hosts, origins, keys
//	handle.go    a request on its way: its body, its caller, its answer
//	stream.go    server-sent events
//	error.go     errors, to be written in each API's own shape
//	registry.go  models: loaded on demand, the least recently used unloaded
//	machine.go   devices, and what is known of their bits
//	load.go      loading one, and making room for it
//	find.go      models among files and folders
//	run.go       answers of a model on their way, counted
//	embed.go     texts to vectors
//	grammars.go  the grammars that a model was last asked for
//	metrics.go   the counters and histograms
//	record.go    requests and answers kept in a folder
//
// A Core and its Registry are for any number of goroutines; an Exchange belongs to the
// goroutine of its request.
//
// Every body is bounded before it is read, and so is the number of requests at once. What
// comes from a client is never logged but for the model's name, which is escaped, and
// never kept but in the folder of records, which is off unless it is named.
package core
