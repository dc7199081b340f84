package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settingError is a setting that the operator has to change; the process exits with 78.
type settingError struct {
	setting string // the flag, with its dashes
	problem string // what is wrong and what to do
	err     error  // the cause, if any
}

func (e settingError) Error() string {
	s := e.setting + ": " + e.problem
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

func (e settingError) Unwrap() error { return e.err }

// configFile is the path of a YAML file whose keys are the names of flags.
type configFile string

// BeforeResolve reads the file and lets it answer for every flag that neither the command line nor the environment
// set. A key that is no flag of any command is an error: a misspelt setting must not pass in silence.
func (c configFile) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(configFile)
	if !ok || path == "" {
		return nil
	}
	raw, err := os.ReadFile(string(path))
	if err != nil {
		return settingError{setting: "--config", problem: "cannot be read", err: err}
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return settingError{setting: "--config", problem: "is not valid YAML", err: err}
	}
	known := flagNames(k.Model.Node)
	for key := range values {
		if !slices.Contains(known, key) {
			return settingError{setting: "--config", problem: fmt.Sprintf("%s has the unknown key %q; the keys are the flags' names without dashes in front (tiga serve --help)", path, key)}
		}
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value, ok := values[flag.Name]
		if !ok || slices.ContainsFunc(flag.Envs, isSet) {
			return nil, nil
		}
		if list, ok := value.([]any); ok {
			parts := make([]string, len(list))
			for i, item := range list {
				parts[i] = fmt.Sprint(item)
			}
			return strings.Join(parts, ","), nil
		}
		if pairs, ok := value.(map[string]any); ok {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(pairs)) {
				parts = append(parts, fmt.Sprintf("%s=%v", name, pairs[name]))
			}
			return strings.Join(parts, ","), nil
		}
		return value, nil
	}))
	return nil
}

// isSet says whether the environment has the variable.
func isSet(name string) bool {
	_, ok := os.LookupEnv(name)
	return ok
}

// flagNames lists the flags of a command and of everything below it.
func flagNames(n *kong.Node) []string {
	var names []string
	for _, f := range n.Flags {
		names = append(names, f.Name)
	}
	for _, child := range n.Children {
		names = append(names, flagNames(child)...)
	}
	return names
}
