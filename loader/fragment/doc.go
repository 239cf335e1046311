// Package fragment cuts models into verified pieces and puts them together again:
// Write makes a folder of blobs and a manifest from GGUF files, Assemble makes the
// files from the folder, byte for byte, Verify checks every sum, and a Fetcher brings
// what a folder lacks from sources that are not trusted. Package
// manifest has the manifest's format, package loader opens such a folder as a model.
//
// A folder may hold several manifests; equal blobs are stored once:
//
//	DIR/NAME.ID.json        a manifest; ID is its sha256
//	DIR/blobs/ab/abcd…      a blob under its sha256, read-only
//	DIR/blobs/ab/….partial  a blob being written, or fetched; the next Write clears it away
//	DIR/blobs/ab/….bits.partial  which pieces of a blob being fetched are there
//
// A file gets its name only when it is whole and on the disk, and a manifest only
// after its blobs, so at any moment a crash leaves whole pieces and partial ones
// that say so.
//
// Memory is a few fixed buffers whatever the size of the model; files are read,
// not mapped. One Write or fetch at a time may work in a folder (a lock
// sees to it, and fetches wait for it); readers need no lock.
package fragment
