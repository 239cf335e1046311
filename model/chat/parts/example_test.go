package parts_test

import (
	"fmt"

	"eclat/model/chat/parts"
)

// letters has a token for each byte.
type letters struct{}

func (letters) ID(string) (int32, bool) { return -1, false }

func (letters) Append(dst []byte, id int32, special bool) []byte { return append(dst, byte(id)) }

// Tokens in, deltas out, as the model writes.
func Example() {
	f := parts.FormatOf("a template that says <think> and <tool_call> with arguments", letters{})
	p := parts.New(f, letters{}, parts.Options{Tools: true})
	var answer parts.Collector
	for _, id := range "<think>\nI must look.\n</think>\n<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}</tool_call>" {
		for _, d := range p.Next(id) {
			answer.Add(d)
		}
	}
	for _, d := range p.End() {
		answer.Add(d)
	}
	fmt.Println(f.Name)
	fmt.Println(answer.Parts().Text(parts.Reasoning))
	for _, call := range answer.Parts().Calls() {
		fmt.Println(call.Name, call.Arguments)
	}
	// Output:
	// <think> and <tool_call>
	// I must look.
	// weather {"city": "Rome"}
}
