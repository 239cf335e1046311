package webtest

import (
	"fmt"
	"strings"
)

// answer is what a script makes of a request.
type answer struct {
	thought string
	pieces  []string
	calls   [][2]string // name, arguments
	slow    bool        // a pause before each piece
	drop    bool        // the connection breaks half-way
	length  bool        // it ends by length
}

// Hostile is what a model prints that wants to run something, or ask another host. Where
// any of it ran, the page would have a global named hacked.
const Hostile = "<script>window.hacked = 1</script>\n\n<img src=x onerror=\"window.hacked = 2\">\n\n" +
	"Text with <b onclick=\"window.hacked = 3\">bold</b> and <iframe src=\"javascript:window.hacked=4\"></iframe>.\n\n" +
	"[a link](javascript:window.hacked=5) and [another](data:text/html,<script>window.hacked=6</script>)\n\n" +
	"![picture](http://tracker.invalid/pixel.png) ![x](\" onerror=window.hacked=7)\n\n" +
	"<svg onload=\"window.hacked=8\"><style>*{display:none}</style></svg>\n\n" +
	"```html\n<script>window.hacked = 9</script>\n```\n\n" +
	"```\"><img src=x onerror=window.hacked=10>\ncode\n```\n\n" +
	"$\\href{javascript:window.hacked=11}{x}$ and $\\includegraphics{http://tracker.invalid/a.png}$\n\n" +
	"<details><summary>kept</summary></details> H<sub>2</sub>O <form action=\"http://tracker.invalid\"><input name=q></form>\n\n" +
	"<math><mtext><style><img src=x onerror=window.hacked=12></style></mtext></math>"

// Markdown has a piece of everything.
const Markdown = "Reading a row of weights takes **one pass**: the scale is found once, then each block of 32 is unpacked and multiplied.\n\n" +
	"## In Go\n\n" +
	"```go\n// dot returns the product of two rows of n weights.\nfunc dot(a, b []int8, scale float32) float32 {\n\tvar sum int32\n\tfor i := range a {\n\t\tsum += int32(a[i]) * int32(b[i])\n\t}\n\treturn float32(sum) * scale\n}\n```\n\n" +
	"The sum is an integer, so its order does not matter. With $n$ weights a row is\n\n$$y = s \\sum_{i=1}^{n} a_i b_i, \\qquad \\|y\\|_2 \\le s\\sqrt{n}\\,\\max_i |a_i b_i|$$\n\n" +
	"| type | bits a weight | bytes of a row of 5,120 |\n|:--|--:|--:|\n| Q4_K | 4.5 | 2,880 |\n| Q6_K | 6.5625 | 4,200 |\n| Q8_0 | 8.5 | 5,440 |\n\n" +
	"Three things follow:\n\n1. the same bits on **every** device;\n2. tiles may be cut as the device likes;\n   - in rows,\n   - or in columns;\n3. a result can be checked by its hash.\n\n> What is equal need not be measured.\n\nIt costs $5 or $10, which is no formula, and `inline code` stays inline."

// script chooses an answer by how the message begins. n counts the requests, going says
// that an answer is to be continued.
func script(said string, n int, going bool) answer {
	word, _, _ := strings.Cut(strings.ToLower(said), " ")
	switch {
	case going:
		return answer{pieces: cut(" and here it goes on to its end.")}
	case word == "slow":
		return answer{slow: true, pieces: cut(strings.Repeat("One sentence after the other comes slowly. ", 200))}
	case word == "drop":
		return answer{drop: true, slow: true, pieces: cut("This answer breaks off in the middle of what it wanted to say.")}
	case word == "hostile":
		return answer{pieces: cut(Hostile)}
	case word == "why" || word == "explain":
		return answer{thought: "The question is how a row is read. A block of Q4_K holds 256 weights in 144 bytes, so 5,120 weights take 2,880 bytes. I should show the loop and the sum.", pieces: cut(Markdown)}
	case word == "think":
		return answer{slow: true, thought: strings.Repeat("First this, then that. ", 8), pieces: cut("The answer after thinking.")}
	case word == "length":
		return answer{length: true, pieces: cut("It ends too early because")}
	case word == "weather":
		return answer{pieces: cut("I look it up."), calls: [][2]string{{"get_weather", `{"city":"Zürich","unit":"celsius"}`}}}
	case word == "rtl":
		return answer{pieces: cut("مرحبا، هذه إجابة قصيرة. فيها `code` أيضا.")}
	}
	return answer{pieces: cut(fmt.Sprintf("Answer %d to **%s**.", n, said))}
}
