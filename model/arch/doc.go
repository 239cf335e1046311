// Package arch knows the families of models: what the keys and tensors of their files
// mean, and what they compute.
//
// A family is one file: a comment that draws its block, a function that reads its
// configuration and one that writes a stage of its plan, from embedding to head. It
// states what differs; reader.go reads keys, transformer.go, rope.go and experts.go have the
// parts that families share. Nothing here sees a device.
//
// Adding one: the file, and its line in the table in arch.go.
package arch
