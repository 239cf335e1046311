// Package report writes a measurement as one HTML page that needs nothing else:
// facts, tables and charts, with the chart library (Observable Plot over d3) and
// the style within. The page asks no server for anything and its content policy
// forbids it to. It follows the reader's light or dark mode, prints in black on
// white, and its tables can be read without scripts.
//
// What a page says is data; the callers know what they measured and this package
// how it looks.
package report
