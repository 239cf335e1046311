package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is the release. A release is built with -ldflags "-X main.version=1.2.3";
// other builds are called after what Go recorded of them.
var version = "dev"

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  eclat version",
		Args:    noArguments,
		Run:     func(cmd *cobra.Command, args []string) { stdout.Printf("%s\n", build()) },
	}
}

// build is the program in one line, as in "eclat 1.2.3 (0123456789ab) go1.26 linux/amd64".
func build() string {
	return fmt.Sprintf("eclat %s%s %s %s/%s", release(), commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// release is the version that the build was given, else that of the module where it
// has one, else "dev".
func release() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || version != "dev" {
		return version
	}
	// A version made up from a commit says no more than commit does.
	if v, tagged := strings.CutPrefix(info.Main.Version, "v"); tagged && !strings.HasPrefix(v, "0.0.0-") {
		return v
	}
	return version
}

// commit is the source's commit where Go recorded it, as " (0123456789ab)".
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var id, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			id = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if id == "" {
		return ""
	}
	return " (" + id + changed + ")"
}
