package main

import (
	"fmt"
	"slices"
	"strings"
)

const pageHead = `# Mutations

One thing changed in one op, and a test of each suite that noticed: the first of the op's own
tests, or of all. Made by ` + "`make mutate`" + `, which fails where a suite notices nothing. A
dash stands where a suite is not about such a change.

The same of the shaders, a bit of one constant at a time: ` + "`ECLAT_TEST_CONSTANTS=0/16 go test\n./gpu -run TestConstants -v -timeout 0`" + `, which tells what notices each of one in sixteen, and
fails where nothing does and no reason is known.
`

// key is the mutation's name on the page: no two have the same.
func (m *mutation) key() string { return m.pkg() + " | " + m.op + " | " + m.what }

// columns are the names of the suites that a package is held to.
func columns(pkg string) (cols []string) {
	for _, s := range suites {
		if slices.Contains(s.hold, pkg) && !slices.Contains(cols, s.name) {
			cols = append(cols, s.name)
		}
	}
	return cols
}

// row is the mutation's line of the page, from what each suite noticed.
func (m *mutation) row(notes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |", m.op, m.what)
	for _, col := range columns(m.pkg()) {
		note := "–"
		for j, n := range notes {
			if suites[j].name == col && n != "–" {
				note = strings.ReplaceAll(strings.TrimPrefix(n, suites[j].run+"/"), "_", " ")
			}
		}
		fmt.Fprintf(&b, " %s |", note)
	}
	return b.String()
}

// report writes the page, of those mutations whose rows are given by key. A package's
// mutations stand in one table.
func report(rows map[string]string) string {
	var b strings.Builder
	b.WriteString(pageHead)
	pkgs := []string{}
	for _, m := range mutations {
		if !slices.Contains(pkgs, m.pkg()) {
			pkgs = append(pkgs, m.pkg())
		}
	}
	for _, pkg := range pkgs {
		cols, begun := columns(pkg), false
		for _, m := range mutations {
			if m.pkg() != pkg || rows[m.key()] == "" {
				continue
			}
			if !begun {
				begun = true
				fmt.Fprintf(&b, "\n## %s\n\n| op | change | %s |\n|---|---|%s\n", pkg, strings.Join(cols, " | "), strings.Repeat("---|", len(cols)))
			}
			fmt.Fprintln(&b, rows[m.key()])
		}
	}
	return b.String()
}

// rows reads a page: the lines of its mutations by key, without those that a suite did not
// notice.
func rows(page string) map[string]string {
	rows, pkg := map[string]string{}, ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "## "); ok {
			pkg = name
		}
		if cells := strings.Split(line, " | "); pkg != "" && len(cells) > 2 && !strings.Contains(line, "**") {
			rows[pkg+" | "+strings.TrimPrefix(cells[0], "| ")+" | "+cells[1]] = line
		}
	}
	return rows
}
