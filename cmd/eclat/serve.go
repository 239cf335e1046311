package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	kept "eclat/engine/keep"
	"eclat/loader"
	"eclat/model"
	"eclat/model/chat"
	"eclat/serve"
	"eclat/serve/core"
	"eclat/testdata"
)

type serveFlags struct {
	deviceFlags
	folders         []string
	host            string
	port            int
	keys            []string
	keyFile         string
	insecure        bool
	origins, hosts  []string
	parallel, queue int
	mostModels      int
	template        string
	draft           bool
	pooling         string
	dumpPrompt      bool
	record          string
	sessions        string
	sessionsSize    int          // MiB
	folder          *kept.Folder // of sessions; nil for none
	logJSON         bool
	patience        time.Duration
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [MODEL|DIR...]",
		Short: "Serve models over HTTP, as existing clients expect",
		Long: `Serve models over HTTP, as existing clients expect.

The API is OpenAI's at /v1, with what llama.cpp's server adds; at / there is a page
to chat with, to see what lies where, and to measure. Models are GGUF
files, manifests, fragments folders, or folders of them (--models too); each is
loaded when it is first asked for, and the least recently used one is unloaded
where memory is short. The first named is loaded at once, and is what a request
without a model gets. Without any the built-in one is served.

Only this machine is served unless --host says otherwise; then a key is needed
(--api-key, --api-key-file or ECLAT_API_KEY), or --insecure. Pages of other
origins may use the server only where --cors names them.

Ctrl-C lets answers on their way finish (--patience), a second one does not.`,
		Example: `  eclat serve model.gguf
  eclat serve --models ~/models --port 9000
  eclat serve model.gguf --host 0.0.0.0 --api-key-file key.txt`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return []string{"gguf", "json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringArrayVar(&f.folders, "models", nil, "a folder of models; may be given again")
	fs.StringVar(&f.host, "host", "127.0.0.1", "address to listen on")
	fs.IntVar(&f.port, "port", 8080, "port to listen on; 0 picks one and prints it")
	fs.StringArrayVar(&f.keys, "api-key", nil, "key that requests must have; may be given again")
	fs.StringVar(&f.keyFile, "api-key-file", "", "file of such keys, one a line")
	fs.BoolVar(&f.insecure, "insecure", false, "serve other machines without a key")
	fs.StringArrayVar(&f.origins, "cors", nil, "origin whose pages may use the server, as https://example.org, or *; may be given again")
	fs.StringArrayVar(&f.hosts, "allow-host", nil, "name that the server is known by, besides localhost and addresses; may be given again")
	fs.IntVar(&f.parallel, "parallel", engine.DefaultParallel, "most answers at work at a time, of each model")
	fs.IntVar(&f.queue, "queue", engine.DefaultQueue, "most requests that wait, of each model")
	fs.IntVar(&f.mostModels, "max-models", 0, "most models loaded at once; 0 for as many as memory holds")
	fs.StringVar(&f.template, "template", "", "a built-in chat template's name, or a file, for all models")
	fs.StringVar(&f.pooling, "pooling", "", "of embeddings: mean, cls or last (default: each model's own)")
	fs.BoolVar(&f.draft, "draft", true, "guess tokens from the text so far where it pays; answers are the same")
	fs.StringVar(&f.record, "record", "", "folder to keep requests and answers in, a file each")
	fs.StringVar(&f.sessions, "sessions", "", "folder to keep computed prompts and answers in, so that a restart need not compute them again")
	fs.IntVar(&f.sessionsSize, "sessions-size", kept.DefaultBytes>>20, "most MiB in the folder of --sessions; what was not used for the longest time goes")
	fs.BoolVar(&f.dumpPrompt, "dump-prompt", false, "log the prompt of each conversation: its text, control tokens spelt out, and its tokens")
	fs.BoolVar(&f.logJSON, "log-json", false, "log lines as JSON")
	fs.DurationVar(&f.patience, "patience", 10*time.Second, "how long answers may go on after Ctrl-C")
	return cmd
}

// check refuses what cannot be meant, and takes up the keys.
func (f *serveFlags) check() error {
	switch {
	case f.port < 0 || f.port > 65535:
		return usagef("--port %d is not from 0 to 65535", f.port)
	case f.parallel < 1 || f.parallel > 1024:
		return usagef("--parallel %d is not from 1 to 1024", f.parallel)
	case f.queue < 1 || f.queue > 1<<16:
		return usagef("--queue %d is not from 1 to 65536", f.queue)
	case f.mostModels < 0:
		return usagef("--max-models %d is below 0", f.mostModels)
	case f.sessionsSize < 1 || f.sessionsSize > 1<<30:
		return usagef("--sessions-size %d is not from 1 to %d MiB", f.sessionsSize, 1<<30)
	case f.patience < 0:
		return usagef("--patience %v is below 0", f.patience)
	}
	for _, o := range f.origins {
		scheme, rest, ok := strings.Cut(o, "://")
		if o != "*" && (!ok || scheme != "http" && scheme != "https" || rest == "" || strings.ContainsAny(rest, "/?# ")) {
			return usagef("--cors %.80q is no origin; give one as https://example.org", o)
		}
	}
	if f.keyFile != "" {
		text, err := readText(f.keyFile)
		if err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				f.keys = append(f.keys, line)
			}
		}
		if len(f.keys) == 0 {
			return fmt.Errorf("%s has no key", f.keyFile)
		}
	}
	if k := os.Getenv("ECLAT_API_KEY"); k != "" {
		f.keys = append(f.keys, k)
	}
	for _, k := range f.keys {
		if len(k) < 8 || len(k) > 1024 || strings.TrimSpace(k) != k {
			return usagef("an API key has %d bytes; give 8 to 1024, none a space at its ends", len(k))
		}
	}
	if len(f.keys) == 0 && !f.insecure && !loopback(f.host) {
		return usagef("--host %.60s serves other machines: give an --api-key, or --insecure", f.host)
	}
	return nil
}

// loopback reports whether only this machine reaches a host.
func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *serveFlags) run(ctx context.Context, args []string) error {
	if err := cmpErr(f.check(), f.deviceFlags.check()); err != nil {
		return err
	}
	if f.record != "" {
		if err := os.MkdirAll(f.record, 0o700); err != nil {
			return err
		}
	}
	models, err := f.models(ctx, args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(out.Stderr(), nil))
	if f.logJSON {
		log = slog.New(slog.NewJSONHandler(out.Stderr(), nil))
	}
	if f.sessions != "" {
		if f.folder, err = kept.OpenFolder(f.sessions, int64(f.sessionsSize)<<20, func(message string) { log.Info(message) }); err != nil {
			return err
		}
	}
	registry := core.NewRegistry(core.RegistryOptions{Open: f.openModel, Most: f.mostModels, Notice: func(message string) { log.Info(message) }})
	defer registry.Close()
	if err := registry.Add(models...); err != nil {
		return usageError{err}
	}
	pooling := model.NoPooling
	if f.pooling != "" {
		if pooling, err = model.ParsePooling(f.pooling); err != nil {
			return usageError{err}
		}
	}
	draft := 0
	if f.draft {
		draft = engine.MaxDraft
	}
	c := core.New(core.Options{
		Guard:  core.Guard{Keys: f.keys, Hosts: append([]string{f.host}, f.hosts...), Origins: f.origins},
		Models: registry, Log: log, Record: f.record, Draft: draft, Pooling: pooling, Machine: f.machine(), Prompts: f.dumpPrompt,
	})
	l, err := net.Listen("tcp", net.JoinHostPort(strings.Trim(f.host, "[]"), strconv.Itoa(f.port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	service.Store(int64(f.patience + 10*time.Second)) // the rest is for closing devices
	out.Messagef("listening on http://%s\n", l.Addr())
	go func() { // so that the first request need not wait; what fails is told by its notice
		if lease, err := registry.Acquire(ctx, ""); err == nil {
			lease.Release()
		}
	}()
	err = serve.New(c).Serve(ctx, l, f.patience)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // some answers were cut off, as was said
	}
	return err
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// models are those that the arguments and flags name, else the built-in one.
func (f *serveFlags) models(ctx context.Context, args []string) (all []core.Found, err error) {
	for _, name := range append(append([]string{}, args...), f.folders...) {
		path, err := f.others.path(ctx, name)
		if err != nil {
			return nil, err
		}
		found, err := core.Find(path)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		all = append(all, core.Found{Name: "sotu-8m", Bytes: int64(len(testdata.Model))})
	}
	return all, nil
}

// openModel opens one of the models on the devices that the flags name.
func (f *serveFlags) openModel(ctx context.Context, name, path string, progress func(what string, done, total int64)) (*core.Model, error) {
	var args []string
	if path != "" {
		args = append(args, path)
	}
	file, err := openFile(args)
	if err != nil {
		return nil, err
	}
	if err := verifyModel(ctx, f.verify, file); err != nil {
		file.Close()
		return nil, err
	}
	o := f.options()
	o.Embeddings = f.pooling != "" || pools(file)
	o.Parallel, o.Queue, o.Progress = f.parallel, f.queue, progress
	if err := f.others.find(ctx, file, &o); err != nil {
		file.Close()
		return nil, err
	}
	e, err := engine.Open(ctx, file, o)
	if err != nil {
		return nil, err
	}
	t, noChat := f.chooseTemplate(ctx, file)
	if noChat != nil && !errors.Is(noChat, chat.ErrNoTemplate) {
		e.Close()
		return nil, noChat
	}
	m, err := core.NewModel(name, path, e, t, noChat)
	if err == nil && f.folder != nil {
		err = f.keep(ctx, m)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	m.Verified = f.verify == "full"
	return m, nil
}

// keep gives a model what the folder of --sessions has of it, and keeps it there from now on.
func (f *serveFlags) keep(ctx context.Context, m *core.Model) error {
	template := ""
	if m.Template != nil {
		template = m.Template.Source
	}
	k, err := f.folder.Keep(ctx, m.Engine, template)
	if err != nil {
		return err
	}
	m.Closing = k.Close
	return nil
}

// pools reports whether a file says how its embeddings are made.
func pools(file *loader.File) bool {
	v, _ := file.Get("general.architecture")
	arch, _ := v.Str()
	_, ok := file.Get(arch + ".pooling_type")
	return ok
}

// chooseTemplate takes the template that --template names, else the model's.
func (f *serveFlags) chooseTemplate(ctx context.Context, file *loader.File) (*chat.Template, error) {
	name := f.template
	if name == "" && file.Path == testdata.ModelName {
		name = "chatml" // it was trained for none, and is there to try things with
	}
	return chooseTemplate(ctx, file, name)
}
