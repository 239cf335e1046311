# Reads the events of `go test -json`: a line for each package as it ends, all that a
# failed test said, and at the end why tests were skipped. The reasons also go to the
# file named by -v skips=FILE, each with the tests that gave it.

# text returns a field of the event, unescaped.
function text(name,    s, at) {
	at = index($0, "\"" name "\":\"")
	if (!at) return ""
	s = substr($0, at + length(name) + 4)
	match(s, /^([^"\\]|\\.)*/)
	s = substr(s, 1, RLENGTH)
	gsub(/\\n/, "\n", s); gsub(/\\t/, "\t", s); gsub(/\\"/, "\"", s)
	gsub(/\\u003c/, "<", s); gsub(/\\u003e/, ">", s); gsub(/\\u0026/, "\\&", s); gsub(/\\u001b/, "^[", s)
	gsub(/\\\\/, "\\", s)
	return s
}

# reason is what a skipped test said: its output without the frame around it.
function reason(said,    lines, n, i, out) {
	n = split(said, lines, "\n")
	for (i = 1; i <= n; i++) {
		if (lines[i] ~ /^ *(===|---) / || lines[i] == "") continue
		sub(/^ *[A-Za-z0-9_]+\.go:[0-9]+: /, "", lines[i])
		sub(/^ +/, "", lines[i])
		out = out (out == "" ? "" : "; ") lines[i]
	}
	return out == "" ? "no reason given" : out
}

!/^{/ { print; fflush(); next }

{
	action = text("Action"); package = text("Package"); test = text("Test"); key = package " " test
}
action == "build-output" { printf "%s", text("Output"); fflush() }
action == "output" { said[key] = said[key] text("Output") }
action == "fail" && test == "" { # a crash is said by the test that was running, which does not end
	for (k in said) if (index(k, package " ") == 1 && k != key) { printf "%s", said[k]; delete said[k] }
}
action == "fail" { printf "%s", said[key]; if (test == "") print "FAIL  " package; fflush() }
action == "skip" && test != "" {
	why = reason(said[key])
	if (!(why in times)) order[++reasons] = why
	times[why]++
	if (times[why] <= 3) names[why] = names[why] (times[why] > 1 ? ", " : "") key
}
action == "pass" && test == "" {
	line = said[key]; cached = line ~ /\(cached\)/ ? "cached" : ""
	match($0, /"Elapsed":[0-9.]+/)
	printf "ok    %-32s %s\n", package, cached == "" ? sprintf("%.1f s", substr($0, RSTART + 10, RLENGTH - 10)) : cached
	fflush()
}
action == "pass" || action == "fail" || action == "skip" { delete said[key] }

END {
	if (skips) printf "" > skips
	for (i = 1; i <= reasons; i++) {
		why = order[i]; more = times[why] - 3
		line = "  " why "\n      " names[why] (more > 0 ? " and " more " more" : "")
		if (skips) print line > skips
		else print line
	}
}
