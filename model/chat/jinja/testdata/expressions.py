"""Writes expressions.json: small templates and what Python's jinja2 makes of them, set
up as transformers does. Run: python3 expressions.py (needs jinja2 3.1.6)."""
import itertools, json, os
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
    x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
VARS = json.loads('{"n": 7, "f": 2.5, "s": "  Hello, Wörld! <b>  ", "t": "a-b-c", "e": "", "l": [3, 1, 2], "z": [], "d": {"b": 1, "a": [true, null], "items": 3},'
                  ' "o": [{"k": "x", "v": 2}, {"k": "y", "v": 1}, {"k": "X", "v": 3}], "y": true, "q": null, "u": "日本語🙂"}')

atoms = ["n", "f", "s", "t", "e", "l", "z", "d", "y", "q", "u", "none_such", "'x'", "-3", "0", "1.0", "(1, 2)", "[1, [2, 'a']]", "{'k': 1}"]
cases = []
for a, b in itertools.product(["n", "f", "y", "q", "t", "e", "l", "d", "none_such", "-3", "0", "(1, 2)"], repeat=2):
    for op in ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]:
        cases.append("{{ %s %s %s }}" % (a, op, b))
for a in atoms:
    cases += ["{{ %s }}" % a, "{{ [%s] }}" % a, "{{ %s|tojson }}" % a, "{{ 'T' if %s else 'F' }}" % a]
    for t in "defined undefined none string mapping iterable sequence number integer float boolean true false odd even callable upper lower".split():
        cases.append("{{ %s is %s }}" % (a, t))
    for f in ("trim length upper lower capitalize title string int float abs round first last list sort min max sum join tojson(indent=2) "
              "default('D') default('D',true) int(5) join('-') wordcount escape indent(2) indent(2,true) reverse|list unique|list dictsort center(9) "
              "replace('a','b') replace('l','L',1) batch(2)|list map('string')|join('+') select|list reject|list items|list round(1) safe count").split():
        cases.append("{{ %s|%s }}" % (a, f))
for a in ["s", "t", "u", "e", "'aXbXc'", "' a  b '", "'it''s \\'q\\' \"z\"'", "'ß ǆ'"]:
    for m in ("strip() lstrip() rstrip() strip('ab') split() split('-') split('-',1) rsplit('-',1) split(none,1) rsplit(none,1) upper() lower() title() capitalize() swapcase() startswith('a') endswith('c') "
              "replace('a','zz') replace('','.') find('b') rfind('-') count('a') isdigit() isalpha() isupper() splitlines() partition('-') rpartition('-') "
              "zfill(9) ljust(8) rjust(8) center(8) removeprefix('a') removesuffix('c') join(['1','2']) format(1) index('zz')").split():
        cases.append("{{ %s.%s }}" % (a, m))
    for i in ["0", "-1", "99", "1:", ":-1", "::2", "::-1", "1:3", "-3:-1", "3:1", "5:0:-2", ":99", "'x'", "none"]:
        cases.append("{{ %s[%s] }}" % (a, i))
for i in ["0", "-1", "9", "1:", ":-1", "::2", "::-1", "1:3", "true", "'a'", "::0"]:
    cases += ["{{ l[%s] }}" % i, "{{ (4,5,6)[%s] }}" % i]
cases += """
{{ 1 + 2 * 3 ** 2 }}|{{ -2 ** 2 }}|{{ 2 ** 3 ** 2 }}|{{ -1|abs }}|{{ not 1 == 2 }}|{{ 1 < 2 < 3 }}|{{ 1 < 3 < 2 }}|{{ 'a' ~ 1 + 2 }}|{{ 1 ~ 2 * 3 }}
{{ 7 // 2 }}|{{ -7 // 2 }}|{{ -7 % 3 }}|{{ 7.5 // 2 }}|{{ -7.5 % 2 }}|{{ 7 / 2 }}|{{ 2 ** -1 }}|{{ 1e3 }}|{{ 1.5e-7 }}|{{ 1e16 }}|{{ 123456789.0 }}|{{ 0.1 + 0.2 }}
{{ 0x1f }} {{ 0b11 }} {{ 0o17 }} {{ 1_000 }} {{ 1_0.5 }}
{{ 'a' 'b' }}{{ "\\n\\t\\x41\\u00e9\\101\\q\\\\" }}
{{ [1,2,] }}{{ (1,) }}{{ () }}{{ {} }}{{ {'a': 1, 'b': [none, true, 1.0]} }}
{{ d.a }}{{ d['a'] }}{{ d.b }}{{ d['items'] }}{{ d.get('b') }}{{ d.get('zz') }}{{ d.get('zz', 4) }}{{ d.zz }}
{{ d.zz.yy }}
{{ q.x }}
{{ none_such.x }}
{{ d.a[0] }}{{ d.a.1 }}{{ l.0 }}
{{ d.keys()|list }}{{ d.values()|list }}{{ d.items()|list }}{{ d|list }}{{ d|length }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ k }} {% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{{ loop.cycle('o','e') }}{{ loop.changed(x > 1) }},{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.length }}{% else %}none{% endfor %}
{% for x in z %}{{ x }}{% else %}none{% endfor %}{% for x in none_such %}x{% else %}u{% endfor %}
{% for x in range(5) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in [[1,[2,[3]]],4] recursive %}{% if x is sequence %}({{ loop(x) }}){% else %}{{ x }}{{ loop.depth }}{% endif %}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for c in 'añ🙂' %}[{{ c }}]{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% set ns = namespace(a=1, b='c') %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.zz }}{{ ns['a'] }}
{% set n.a = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}
{% set b %}x {{ n }}{% endset %}[{{ b }}]{% set b | upper | trim %} x {{ n }}y {% endset %}[{{ b }}]
{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m() }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}<{{ caller(a) }}>{% endmacro %}{% call(x) m(5) %}{{ x }}!{% endcall %}
{% macro m() %}{{ y2 }}{% endmacro %}{% set y2 = 3 %}{{ m() }}
{% macro f(i) %}{% if i > 0 %}{{ i }}{{ f(i - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{% macro m() %}{% set n = 9 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}
{% filter upper %}a{{ t }}{% endfilter %}{% filter replace('a','b')|upper %}aa{% endfilter %}
{% raw %}{{ x }}{% if %}{% endraw %}{# c {{ #}z
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
a {%- if true -%}  b  {%- endif -%} c
  {% if true %}\n  x\n  {% endif %}\n y
\n\n  {%+ if true %}x{% endif +%}\ny{# c #}\nz
  {#- a -#}  b {{- ' c ' -}} d
{% if true %}\n{{ 1 }}\n{% endif %}\n{{ 2 }}\n\n
a\r\nb{% if y %}\r\nc{% endif %}
 {% raw -%}  a  {%- endraw %} b
x{% raw %}\n a \n  {% endraw %}\ny
{{ '}}' }}{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a':{'b':2}}}}
{%if y%}1{%elif n%}2{%else%}3{%endif%}{% if q %}1{% elif n %}2{% else %}3{% endif %}
{{ 'x' if q }}{{ 'x' if y else 'z' }}{{ ('a' if q else 'b') + 'c' }}{{ 1 if q else 2 if q else 3 }}
{{ o|map(attribute='k')|join(',') }}{{ o|sum(attribute='v') }}{{ o|selectattr('v','gt',1)|map(attribute='k')|list }}{{ o|rejectattr('k','equalto','x')|list|length }}
{{ o|sort(attribute='k')|map(attribute='v')|list }}{{ o|sort(attribute='v', reverse=true)|map(attribute='k')|list }}{{ o|sort(attribute='k,v')|map(attribute='v')|list }}
{{ o|map(attribute='zz', default='?')|list }}{{ o|map('length')|list }}{{ ['a','B']|map('upper')|list }}{{ o|unique(attribute='k')|map(attribute='v')|list }}
{{ ['b','A','c']|sort }}{{ ['b','A','c']|sort(case_sensitive=true) }}{{ ['b','A']|min }}{{ d|dictsort(reverse=true) }}{{ d|dictsort(by='value') }}
{{ l|select('odd')|list }}{{ l|reject('odd')|list }}{{ [1,'a',none]|select('string')|list }}{{ l|map('string')|map('trim')|list }}
{{ [1,2,3,4,5]|batch(2)|list }}{{ [1,2,3]|batch(2,'-')|list }}{{ 'a\\nb\\n\\nc'|indent }}{{ 'a\\nb'|indent(2, first=true) }}{{ 'a\\n\\nb\\n'|indent(1, blank=true) }}{{ 'a\\nb'|indent('>') }}
{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 42.55|round(1,'floor') }}{{ 42.51|round(0,'ceil') }}{{ 1234|round(-2) }}{{ 7|round }}
{{ '12'|int }}{{ '12.7'|int }}{{ 'x'|int }}{{ '0x1f'|int(0,16) }}{{ '3.5'|float }}{{ 'x'|float(1.5) }}{{ none|int }}{{ 3.9|int }}{{ '1e3'|int }}
{{ '%s-%s' % ('a', 1) }}{{ '%d|%5d|%-5d|%05d|%x|%.2f|%5.1f|%s|%%' % (1, 2, 3, 4, 255, 1.005, 2.25, none) }}{{ '%s' % l }}{{ '%r' % 'a' }}{{ '%+d' % 5 }}
{{ '%s %s' | format('a', 2) }}{{ '%(a)s' | format(a=1) }}{{ '{} {}'.format(1, 'b') }}{{ '{1}{0}{a}'.format(1, 2, a=3) }}{{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}|{:x}'.format('a','b','c',42,1.234,1234567,255) }}{{ '{{}}'.format() }}
{{ d|tojson }}{{ d|tojson(indent=2) }}{{ s|tojson }}{{ u|tojson(ensure_ascii=true) }}{{ o|tojson(separators=(',',':')) }}{{ {'b':1,'a':2}|tojson(sort_keys=true) }}{{ "\\"\\\\\\n\\u0001\\u2028"|tojson }}{{ [1.0, 1e20, 1e-9, none, true]|tojson }}{{ []|tojson(indent=2) }}{{ {1: 2}|tojson }}
{{ range(3)|list }}{{ range(1, 7, 2)|list }}{{ range(5, 0, -2)|list }}{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}
{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}
{{ 1 in [1,2] }}{{ 3 not in l }}{{ 'b' in d }}{{ 'ell' in s }}{{ none in d.a }}{{ 1 in (1,2) }}{{ 'x' in none_such }}
{{ n is divisibleby 7 }}{{ n is divisibleby(3) }}{{ n is in [7] }}{{ n is eq 7 }}{{ n is not none }}{{ n is sameas 7 }}{{ none_such is not defined and true }}{{ not none_such is defined }}{{ n is gt 3 and n is lt 9 }}
{{ d is defined and d.b is defined and d.zz is not defined }}{{ d.b is number }}{{ loop is defined }}{{ range is callable }}
{{ 1 == 1.0 }}{{ 1 == true }}{{ 'a' == 'a' }}{{ [1] == [1.0] }}{{ (1,) == [1] }}{{ {'a':1} == {'a':1} }}{{ none == none }}{{ none_such == none }}{{ none_such == zz }}{{ [1,2] < [1,3] }}{{ 'a' < 'b' }}{{ 2 > 1.5 }}
{{ 'a' < 1 }}
{{ none < 1 }}
{{ l + 1 }}
{{ 1 / 0 }}
{{ none_such + 1 }}
{{ none_such() }}
{{ n() }}
{{ 'x'|nofilter }}
{% if false %}{{ 'x' is notest }}{% endif %}ok
{% nope %}
{{ 1 +}}
{% if y %}
{{ 'abc }}
{{ (1 }}
{{ ] }}
{% endif %}
{{ 's'.zz }}{{ 's'['upper']() }}{{ l.zz }}{{ n.zz }}{{ s.__class__ }}x
{{ true and 'a' }}{{ false or 'b' }}{{ '' and 1 }}{{ 0 or none }}{{ 1 and 0 or 2 }}{{ not (1 and 0) }}
{{ -n }}{{ +n }}{{ - f }}{{ --n }}{{ -l|length }}
{{ 'it\\'s' }}{{ ["it's", 'q"', 'b\\\\', 'n\\n', 'é🙂\\u200b', '\\x00\\x7f'] }}
{{ ''|default('x') }}{{ none|default('x') }}{{ none|default('x', true) }}{{ none_such|default }}{{ d.zz|default('q') }}{{ d.zz|d(1) }}
{{ s | trim | lower | replace(' ', '_') }}{{ t.split('-')[1] }}{{ t.split('-')|last }}{{ t.split('-')[-1].upper() }}{{ t|first }}{{ l|last }}{{ z|first }}
{{ u|length }}{{ u[1] }}{{ u[::-1] }}{{ u|reverse }}{{ u|upper }}{{ u|list }}{{ u.find('語') }}
{{ 'hello-world foo.bar (x'|title }}{{ 'HELLO world'|capitalize }}{{ "it's"|title }}{{ "it's a".title() }}
{{ [1,[2]]|string }}{{ true|string }}{{ 1.0|string }}{{ none|string }}{{ 5|string|length }}
{{ l|sum }}{{ l|max }}{{ l|min }}{{ [1.5,2]|sum }}{{ z|sum }}{{ z|max }}{{ o|max(attribute='v') }}{{ l|sum(start=10) }}
{{ [3,1]|sort|first }}{{ {'a':1}|items|list }}{{ none_such|items|list }}{{ 'ab'|map('upper')|join }}{{ l|join(attribute='x') }}
{{ "a\\
b" }}{{ 3|default(2)|string ~ 'x' }}{{ n|string + 'x' }}{{ (n|string)[0] }}{{ n.real }}
{{ [d.a, 1][0][0] }}{{ (l|sort)[0] }}{{ (1,2)|last }}{{ [l|length, 2]|max }}{{ {'x': l}.x[1:] }}
{{+1}}{{-1}}{{ 1 }}-{{ 2 -}} 3
{{ 'a' if n > 3 and t is string else 'b' }}{{ not n in l }}{{ n not in l and y }}{{ 2 * 3 % 4 }}{{ 'a' * 3 }}{{ [0] * 2 }}{{ 3 * 'ab' }}{{ 'a' * -1 }}
{% for x in [1,2,3] %}{% for y in [x] %}{{ loop.index }}{{ y }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in l %}{% set z2 %}{{ x }}{% endset %}{{ z2 }}{% endfor %}{{ z2 is defined }}
{% set l2 = l %}{% set l2 = l2 + [4] %}{{ l2 }}{{ l }}
{% for m in o %}{% if loop.first %}{% set v = m.v %}{% endif %}{{ v }}{% endfor %}
{%- for x in l -%} {{ x }} {%- endfor -%}
{% for x in l -%}\n  {{ x }}\n{% endfor %}
{{ d.items }}
{{ "%c%o%e%g" % (65, 8, 12345.678, 0.0001) }}{{ '%5s|%-5s|%.2s' % ('a','b','cde') }}{{ '%s' % (1, 2) }}
{{ o[0].k }}{{ o[-1]['v'] }}{{ o[5] }}{{ o[5].k is defined }}
""".strip("\n").replace("\\\nb", "\\@b").split("\n")
out = []
for c in cases:
    c = c.replace("\\@b", "\\\nb")
    if not c.startswith("{{ '") and not c.startswith('{{ "') and not c.startswith("{{ ["):
        c = c.replace("\\r", "\r") if "{% if y %}\\r" in c else c
        if c.lstrip(" ").startswith(("{%", "\\n", "x{% raw", "a\\r", "  {%", "a\r")):
            c = c.replace("\\n", "\n")
    try:
        r = {"template": c, "text": env.from_string(c).render(**json.loads(json.dumps(VARS)))}
        if "object at 0x" in r["text"] or "<generator" in r["text"] or "<built-in" in r["text"] or "dict_" in r["text"] or "<bound" in r["text"]:
            continue  # shows Python's inside
    except Exception as e:
        r = {"template": c, "error": type(e).__name__ + ": " + str(e)[:80]}
    out.append(r)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expressions.json"), "w") as f:
    f.write('{"vars": ' + json.dumps(VARS, ensure_ascii=False) + ',\n"cases": [\n')
    f.write(",\n".join(json.dumps(r, ensure_ascii=False) for r in out) + "\n]}\n")
print(len(out), sum("error" in r for r in out))
