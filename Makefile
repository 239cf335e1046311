# make run    builds eclat and prints a paragraph from the built-in model
# make test   lint, then every test; installs what the tests need where it may
# make fuzz   a minute of fuzzing for each parser

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
FUZZTIME    = 60s

.PHONY: build run test lint unit nocgo deps fuzz clean

build:
	go build -o bin/eclat ./cmd/eclat

run: build
	./bin/eclat run -n 160

test: deps lint nocgo unit

lint:
	@echo "gofmt, go vet, staticcheck"
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); if [ -n "$$files" ]; then echo "not formatted:" $$files; exit 1; fi
	@go vet ./...
	@go run $(STATICCHECK) ./...

# The program must build without a C compiler too: without a GPU then.
nocgo:
	CGO_ENABLED=0 go build -o bin/eclat-nocgo ./cmd/eclat
	CGO_ENABLED=0 go vet ./...

# One package at a time: some tests measure time.
unit:
	go test -p 1 -timeout 30m ./...

deps:
	@sh .ci/deps

fuzz:
	go test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME) ./loader/gguf
	go test -run '^$$' -fuzz FuzzEncode -fuzztime $(FUZZTIME) ./model/tokenizer
	go test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./loader/manifest

clean:
	rm -rf bin

.PHONY: mutate
mutate:
	go run ./model/conformance/mutate -o docs/mutations.md
