// Package libp2p is the network of package peer over go-libp2p: TCP with Noise and QUIC,
// each machine known by its Ed25519 key.
//
//	host.go   Host: a peer.Network
//	key.go    the key, in a file of its own
//	allow.go  the list of who may come
//	mdns.go   who is there on the local network
//
// A connection that comes in from a key that is not on the list ends before anything of
// eclat's is read; an empty list refuses everyone. Dialling goes to the key that the
// address names, or fails. There is no public directory and no relay.
//
// A Host is for any number of goroutines.
package libp2p
