"""Writes templates/expected: what Python's jinja2 (3.1.6), set up as transformers does,
makes of templates/*.jinja and templates/conversations.json. Run: python3 templates.py [FOLDER],
another folder of the same layout, which go test -run Templates -templates FOLDER tries too."""
import datetime, glob, json, os, sys
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

here = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
now = datetime.datetime(2026, 1, 2, 3, 4, 5)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


class Generation(jinja2.ext.Extension):
    """{% generation %}, which marks an answer for training: its text is that of its body."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation])
env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
    x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
env.globals.update(raise_exception=raise_exception, strftime_now=now.strftime)
data = json.load(open(os.path.join(here, "conversations.json")))
for path in sorted(glob.glob(os.path.join(here, "*.jinja"))):
    name, cases = os.path.basename(path)[:-6], {}
    for c in data["conversations"]:
        try:
            text = env.from_string(open(path).read()).render(**{k: v for k, v in c.items() if k != "id"}, **data["vars"][name])
            cases[c["id"]] = {"text": text, "by": "jinja2"}
        except Exception as e:
            cases[c["id"]] = {"error": str(e), "by": "jinja2"}
    with open(os.path.join(here, "expected", name + ".json"), "w") as f:
        f.write(json.dumps({"cases": cases}, ensure_ascii=False, indent=1) + "\n")
