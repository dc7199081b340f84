// Command tiga is a multi-cluster Kubernetes console: one program that serves plain HTML and lets a team see,
// change and debug every cluster it runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // CronJobs name time zones, and an image may hold none

	"github.com/alecthomas/kong"
)

// version is stamped by the linker (see the Makefile).
var version = "dev"

// Exit codes beyond 0 and 1, as in sysexits.h.
const (
	exitUsage  = 64
	exitConfig = 78
)

// cli is every command and flag. A flag's environment twin is TIGA_ and its name in capitals; the file named by
// --config holds the same names as YAML keys. A flag wins over the environment, the environment over the file.
type cli struct {
	Config configFile `help:"YAML file with the same settings as the flags." placeholder:"FILE" type:"path"`

	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve the console (the default)."`
	Migrate migrateCommand `cmd:"" help:"Bring the store's tables up to this version and exit."`
	User    userCommand    `cmd:"" help:"Local users."`
	Audit   auditCommand   `cmd:"" help:"The audit log."`
	Doctor  doctorCommand  `cmd:"" help:"Check settings, store, keys and clusters, and say what is wrong."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// streams are the process's own input and output, passed to every command.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// run parses args, runs the command that they name, and returns the process's exit code.
func run(ctx context.Context, args []string, std streams) int {
	var flags cli
	exit := -1
	parser, err := kong.New(&flags,
		kong.Name("tiga"),
		kong.Description("A multi-cluster Kubernetes console."),
		kong.UsageOnError(),
		kong.DefaultEnvars("TIGA"),
		kong.Writers(std.out, std.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		// --help calls Exit in the middle of parsing; the code is kept and parsing goes on.
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "tiga:", err)
		return exitUsage
	}
	command, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintln(std.err, "tiga:", err)
		fmt.Fprintln(std.err, "Run tiga --help for the commands and flags.")
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(std.err, "tiga:", err)
		if _, ok := errors.AsType[settingError](err); ok {
			return exitConfig
		}
		return 1
	}
	return 0
}

// versionCommand prints the version.
type versionCommand struct{}

// Run prints the version on one line.
func (versionCommand) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, "tiga", version)
	return err
}
