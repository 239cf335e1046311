package jinja

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile templates: each has to end in an error.
var hostile = []struct {
	name, source string
	limit        bool // the error is ErrLimit
}{
	{"macro that calls itself", `{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}`, true},
	{"macros that call each other", `{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}`, true},
	{"recursive loop", `{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}`, true},
	{"caller that calls", `{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}`, true},
	{"loops in loops", `{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}`, true},
	{"doubling string", `{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`, true},
	{"doubling list", `{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`, true},
	{"long product", `{{ 'a' * 100000000000 }}`, true},
	{"long product of a list", `{{ [1] * 9223372036854775807 }}`, true},
	{"product of an empty string", `{% for i in range(99) %}{% set x = '' * 9223372036854775807 %}{% endfor %}{{ 1 / 0 }}`, false},
	{"nested brackets", "{{ " + strings.Repeat("(", 200000) + "1" + strings.Repeat(")", 200000) + " }}", true},
	{"nested lists", `{{ ` + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + ` }}`, true},
	{"nested not", `{{ ` + strings.Repeat("not ", 200000) + `1 }}`, true},
	{"nested minus", `{{ ` + strings.Repeat("-", 200000) + `1 }}`, true},
	{"nested blocks", strings.Repeat("{% if 1 %}", 90000), true},
	{"long sum", `{{ 1` + strings.Repeat("+1", 200000) + ` }}`, true},
	{"long chain of attributes", `{{ a` + strings.Repeat(".a", 200000) + ` }}`, true},
	{"long chain of filters", `{{ a` + strings.Repeat("|e", 200000) + ` }}`, true},
	{"inline ifs", `{{ 1` + strings.Repeat(" if 1 else 1", 70000) + ` }}`, true},
	{"include", `{% include '/etc/hostname' %}`, false},
	{"import", `{% import 'x' as y %}`, false},
	{"from", `{% from 'x' import y %}`, false},
	{"extends", `{% extends 'x' %}`, false},
	{"class", `{{ ''.__class__.__mro__ }}`, false},
	{"format that reaches", `{{ '{0.__class__}'.format(1) }}`, false},
	{"globals of a function", `{{ range.__globals__['x'] }}`, false},
	{"globals of a macro", `{% macro f() %}{% endmacro %}{{ f.__globals__.os }}`, false},
	{"huge range", `{% for i in range(1000000000000) %}{% endfor %}`, true},
	{"range of extremes", `{{ range(-9223372036854775807, 9223372036854775807) | length }}`, true},
	{"deep dict printed", `{% set ns = namespace(d={}) %}{% for i in range(50000) %}{% set ns.d = {'a': ns.d} %}{% endfor %}{{ ns.d }}`, true},
	{"deep dict as JSON", `{% set ns = namespace(d={}) %}{% for i in range(50000) %}{% set ns.d = {'a': ns.d} %}{% endfor %}{{ ns.d | tojson }}`, true},
	{"deep lists compared", `{% set ns = namespace(a=[], b=[]) %}{% for i in range(50000) %}{% set ns.a = [ns.a] %}{% set ns.b = [ns.b] %}{% endfor %}{{ ns.a == ns.b }}`, true},
	{"deep tuple as a key", `{% set ns = namespace(a=()) %}{% for i in range(50000) %}{% set ns.a = (ns.a,) %}{% endfor %}{{ {ns.a: 1} }}`, true},
	{"wide tree printed", `{% set ns = namespace(a=[1]) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}`, true},
	{"wide tree compared", `{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}`, true},
	{"list in itself", `{% set l = [] %}{% set x = l.append(l) %}{{ l }}`, true},
	{"list in itself as JSON", `{% set l = [] %}{% set x = l.append(l) %}{{ l | tojson }}`, true},
	{"dict in itself", `{% set d = {} %}{% set x = d.update(a=d) %}{{ d | string }}`, true},
	{"two lists in themselves", `{% set a = [] %}{% set b = [] %}{% set x = a.append(a) %}{% set x = b.append(b) %}{{ a == b }}{{ a < b }}`, true},
	{"list that grows while it is read", `{% set l = [1] %}{% for i in range(99999) %}{% for x in l %}{% set y = l.append(x) %}{% endfor %}{% endfor %}`, true},
	{"namespace in itself", `{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}`, true},
	{"format width", `{{ '%999999999d' % 1 }}`, true},
	{"format precision", `{{ '%.999999999f' % 1.5 }}`, true},
	{"format method width", `{{ '{:>99999999999999999999}'.format(1) }}`, true},
	{"many wide formats", `{% for i in range(99999) %}{{ '%99999d' % 1 }}{% endfor %}`, true},
	{"center", `{{ 'x' | center(99999999999) }}`, true},
	{"indent", `{{ 'x' | indent(99999999999, true) }}`, true},
	{"indent of JSON", `{{ [[1]] | tojson(indent=99999999999) }}`, true},
	{"zfill", `{{ 'x'.zfill(99999999999) }}`, true},
	{"power", `{{ 10 ** 1000000000 }}`, false},
	{"product of large integers", `{{ 9223372036854775807 * 9223372036854775807 }}`, false},
	{"least integer", `{{ -(-9223372036854775807 - 1) }}`, false},
	{"least integer divided", `{{ (-9223372036854775807 - 1) // -1 }}`, false},
	{"long integer", `{{ ` + strings.Repeat("9", 5000) + ` }}`, false},
	{"replace that multiplies", `{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(20) %}{% set ns.s = ns.s | replace('a', ns.s) %}{% endfor %}`, true},
	{"join that multiplies", `{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(20) %}{% set ns.s = (ns.s | list) | join(ns.s) %}{% endfor %}`, true},
	{"much output", `{% set s = 'x' * 1000000 %}{% for i in range(1000) %}{{ s }}{% endfor %}`, true},
	{"searches of a long string", `{% set s = 'x' * 9000000 %}{% for i in range(99999) %}{{ 'y' in s }}{% endfor %}`, true},
	{"string into characters", `{% set s = 'x' * 9000000 %}{{ s | list | length }}`, true},
	{"split into many", `{{ ('x' * 9000000).split('x') | length }}`, true},
	{"batch", `{% for i in range(99999) %}{{ range(1000) | batch(1) }}{% endfor %}`, true},
	{"batch filled", `{{ [1] | batch(99999999999, 0) }}`, true},
	{"map of map", `{{ [[1]] | map('map', 'map', 'nothing') | list }}`, false},
	{"sort with its own order", `{{ range(99999) | list | sort(attribute='a.a.a.a.a.a.a.a') }}`, false},
	{"loop without an end of values", `{% for i in range(99999) %}{% for j in range(99999) %}{% set x = [i] %}{% endfor %}{% endfor %}`, true},
	{"unclosed comment", `{#` + strings.Repeat("{#", 200000), false},
	{"unclosed raw", strings.Repeat("{% raw %}", 90000), false},
	{"raise", `{{ raise_exception('x' * 1000000) }}`, false},
	{"long source", strings.Repeat("x", 2<<20), true},
	{"cycler without values", `{{ cycler() }}`, false},
	{"cycle without values", `{% for x in [1] %}{{ loop.cycle() }}{% endfor %}`, false},
	{"slice of nothing", `{{ [1][::0] }}`, false},
}

// TestHostile: hostile templates end in an error, soon and in little memory.
func TestHostile(t *testing.T) {
	for _, c := range hostile {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			hangs := time.AfterFunc(time.Minute, func() { panic(c.name + ": no end after a minute") })
			_, err := render(t, c.source, `{"a": "a"}`, Limits{})
			hangs.Stop()
			runtime.ReadMemStats(&after)
			made := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d MB made: %.200v", made>>20, err)
			var e *Error
			switch {
			case err == nil:
				t.Error("no error")
			case !errors.As(err, &e):
				t.Errorf("%T is no *Error", err)
			case errors.Is(err, ErrLimit) != c.limit:
				t.Errorf("ErrLimit: %v", !c.limit)
			case len(err.Error()) > 2000 || strings.Contains(err.Error(), "\n"):
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
			if live := after.HeapSys - before.HeapSys; int64(live) > 256<<20 {
				t.Errorf("%d MB of heap", live>>20)
			}
		})
	}
}

// BenchmarkHostile is how long each takes to end.
func BenchmarkHostile(b *testing.B) {
	for _, c := range hostile {
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				render(b, c.source, `{"a": "a"}`, Limits{})
			}
		})
	}
}

// TestContext: a rendering ends with its context.
func TestContext(t *testing.T) {
	tmpl, err := Parse(`{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}`, Limits{Steps: 1 << 60, Memory: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err = tmpl.Render(ctx, NewDict(), time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestTaint: what comes from outside stays marked through whatever is done with it.
func TestTaint(t *testing.T) {
	for source, want := range map[string]string{
		`a{{ s }}b`:                                         "a<XyZ>b",
		`{{ '[' + s + ']' }}{{ s ~ 1 }}`:                    "[<XyZ>]<XyZ>1",
		`{{ s[1] }}{{ s[:2] }}{{ s[::-1] }}`:                "<yXyZyX>",
		`{{ ('.' + s + '.')[1:3] }}`:                        "<Xy>",
		`{{ s | upper }}{{ s.lower() }}`:                    "<XYZxyz>",
		`{{ ('a' + s) | capitalize }}`:                      "A<xyz>",
		`{{ ' ' ~ s ~ ' ' }}|{{ (' ' ~ s) | trim }}`:        " <XyZ> |<XyZ>",
		`{{ s | replace('y', '-') }}`:                       "<X>-<Z>",
		`{{ 'a-b' | replace('-', s) }}`:                     "a<XyZ>b",
		`{{ [s, 'c', s] | join('+') }}`:                     "<XyZ>+c+<XyZ>",
		`{{ 'a,b' | replace(',', s) | list | join }}`:       "a<XyZ>b",
		`{{ s.split('y') | join('/') }}`:                    "<X>/<Z>",
		`{{ [s] }}`:                                         "['<XyZ>']",
		`{{ {'k': s} | tojson }}`:                           `{"k": "<XyZ>"}`,
		`{{ d | tojson }}`:                                  `{"<k>": "<v\n>"}`,
		`{{ d.items() | list }}`:                            `[('<k>', '<v\n>')]`,
		`{% for k in d %}{{ k }}{% endfor %}`:               "<k>",
		`{{ '%s|%5s' % (s, s) }}`:                           "<XyZ>|  <XyZ>",
		`{{ '{}|{:>5}'.format(s, s) }}`:                     "<XyZ>|  <XyZ>",
		`{% set x %}({{ s }}){% endset %}{{ x }}`:           "(<XyZ>)",
		`{% macro m(a) %}({{ a }}){% endmacro %}{{ m(s) }}`: "(<XyZ>)",
		`{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}{{ s }}{% endcall %}`:               "(<XyZ>)",
		`{% filter replace('y', '-') %}y{{ s }}{% endfilter %}`:                                         "-<X>-<Z>",
		`{{ s | indent(2, true) }}{{ s | center(5) }}`:                                                  "  <XyZ> <XyZ> ",
		`{{ s.partition('y') | join }}{{ s.title() }}`:                                                  "<X>y<ZXyz>",
		`{{ s | default('d') }}{{ n | default(s) }}`:                                                    "<XyZXyZ>",
		`{{ s | first }}{{ s | last }}{{ s | reverse }}`:                                                "<XZZyX>",
		`{{ [s, 'a'] | sort | join }}{{ [s] | max }}`:                                                   "a<XyZXyZ>",
		`{{ s * 2 }}{{ s if s else 'x' }}`:                                                              "<XyZXyZXyZ>",
		`{% set ns = namespace(t='') %}{% for c in s %}{% set ns.t = ns.t + c %}{% endfor %}{{ ns.t }}`: "<XyZ>",
		`{{ 'XyZ' if s == 'XyZ' }}{{ s | length }}`:                                                     "XyZ3",
		`{{ s | string }}{{ s | safe }}{{ ('"' + s) | e }}`:                                             "<XyZXyZ>&#34;<XyZ>",
	} {
		got, err := render(t, source, `{"s": "XyZ", "d": {"k": "v\n"}}`, Limits{})
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var b strings.Builder
		at := 0
		for _, s := range got.Tainted {
			fmt.Fprintf(&b, "%s<%s>", got.String[at:s.From], got.String[s.From:s.To])
			at = s.To
		}
		if b.WriteString(got.String[at:]); b.String() != want {
			t.Errorf("%s gives %s, not %s", source, b.String(), want)
		}
	}
}

// FuzzRender: any template with any variables ends in a text or an *Error, and its
// spans lie in order within the text.
func FuzzRender(f *testing.F) {
	for _, c := range hostile {
		if len(c.source) < 1000 {
			f.Add(c.source, `{"a": "a", "l": [1, "x"]}`)
		}
	}
	f.Add("{% for m in messages %}{{ m.role ~ m['content'] | trim }}{% endfor %}", `{"messages": [{"role": "user", "content": " x "}]}`)
	f.Add("{{ '%5.2f|%-8s' % (1.5, a) }}{{ '{:^9}'.format(a) }}{{ a.rsplit(none, 1) }}", `{"a": " b  c "}`)
	f.Fuzz(func(t *testing.T, source, vars string) {
		v, err := Decode([]byte(vars), true)
		d, ok := v.(*Dict)
		if err != nil || !ok {
			d = NewDict()
		}
		tmpl, err := Parse(source, Limits{Steps: 100_000, Memory: 4 << 20})
		if err == nil {
			var got Text
			got, err = tmpl.Render(context.Background(), d, time.Unix(0, 0).UTC())
			at := 0
			for _, s := range got.Tainted {
				if s.From < at || s.To <= s.From || s.To > len(got.String) {
					t.Fatalf("spans %v of %d bytes", got.Tainted, len(got.String))
				}
				at = s.To
			}
		}
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
	})
}
