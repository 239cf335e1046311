// Package libp2p is the network of package peer over go-libp2p: TCP with Noise and QUIC,
// each machine known by its Ed25519 key.
//
//	host.go   Host: a peer.Network
//	key.go    the key, in a file of its own
//	allow.go  the list of who may come
//	limits.go how many connections, and how often
//	mdns.go   who is there on the local network
//	nat.go    relays and hole punching, for those who ask for them
//	dht.go    a directory of who offers which model, among machines of one's own
//
// A connection that comes in from a key that is not on the list ends before anything of
// eclat's is read; an empty list refuses everyone. Dialling goes to the key that the
// address names, or fails. There is no public
// directory; relays and the directory are used only where they are named.
//
// A Host is for any number of goroutines.
package libp2p
