// Package record keeps measurements on disk: a header in JSON, then numbers, then
// a checksum of both. Saved runs of compare and bases of perplexity are records.
//
// Layout, little-endian: the magic "eclatrec", a 32-bit format version, the
// 32-bit length of the header, the header, the numbers (as many bytes as the
// header says), and the SHA-256 of everything before it. A file that is cut short
// shows by its size, before a number is read; Open checks the sum as well.
//
// A Writer or a Reader belongs to one goroutine.
package record
