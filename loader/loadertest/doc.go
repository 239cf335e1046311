// Package loadertest has what the tests of several packages under loader share: a
// model with every kind of fragment, the folder that it is cut into, and what each
// refusal of a damaged file must look like. It is for tests alone.
package loadertest
