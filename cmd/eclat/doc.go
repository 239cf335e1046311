// Command eclat runs GGUF language models. Answers go to stdout, everything else
// to stderr.
//
//	main.go, root.go      the command line, exit codes, interrupts
//	model.go              the flags that several commands have: files, devices, contexts
//	input.go, output.go   what commands read and where they write
//	NAME.go               the command NAME; NAME_output.go what it prints
//	answering.go          the flags that run and chat share; answer_output.go, an answer as it comes
//	chat_NAME.go          chat: answers, its commands, what they show
//	report_pages.go       the pages of --report
//
// A command opens what it needs, closes it in reverse order, and reaches devices
// through package engine alone. One command runs in a process, on one goroutine;
// bars that watch its progress have goroutines of their own. Below: out, tables, bars
// and escaping; report, pages of HTML; terminal, what is typed; conversation, turns and
// the files that keep them.
package main
