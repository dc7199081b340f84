package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tiga/access/redact"
	"tiga/db"
	"tiga/db/seal"
	"tiga/handlers/guard"
	"tiga/kube"
	"tiga/kube/kubeconfig"
)

// storeSettings say where Tiga keeps what it must not forget.
type storeSettings struct {
	DataDir     string `help:"Directory for the SQLite store, the key file, and audit rows that wait for a store that is away; made if missing." placeholder:"DIR" type:"path"`
	DatabaseURL string `help:"PostgreSQL instead of SQLite: postgres://user:password@host/name." placeholder:"URL"`
	KeyFile     string `help:"File with the key that seals cluster credentials: 32 bytes in base64, readable by the owner only. Made on first start with SQLite; must be given with PostgreSQL." placeholder:"FILE" type:"path"`
}

// directory returns the data directory, made if missing, readable by its owner only.
func (s storeSettings) directory() (string, error) {
	dir := s.DataDir
	if dir == "" {
		base := os.Getenv("XDG_DATA_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", settingError{setting: "--data-dir", problem: "is not set and there is no home directory to put it in; set it", err: err}
			}
			base = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(base, "tiga")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", settingError{setting: "--data-dir", problem: "cannot be made", err: err}
	}
	return dir, nil
}

// keys reads the key file, which is made on a first start with SQLite.
func (s storeSettings) keys(databaseURL, dir string) (*seal.Keyring, error) {
	path := s.KeyFile
	if path == "" {
		if s.DatabaseURL != "" {
			return nil, settingError{setting: "--key-file", problem: "is required with --database-url: make one with `head -c 32 /dev/urandom | base64 > tiga.key && chmod 0400 tiga.key` and give every replica the same"}
		}
		path = filepath.Join(dir, "tiga.key")
		if _, err := db.EnsureKeyFile(databaseURL, path); err != nil {
			return nil, settingError{setting: "--key-file", problem: "cannot be made", err: err}
		}
	}
	keys, err := seal.ReadKeyring(path)
	if err != nil {
		return nil, settingError{setting: "--key-file", problem: "cannot be used; give the file that this store was made with", err: err}
	}
	return keys, nil
}

// open opens the store. Beside a running process it is opened for reading only.
func (s storeSettings) open(ctx context.Context, log *slog.Logger, readOnly bool) (*db.Store, error) {
	dir, err := s.directory()
	if err != nil {
		return nil, err
	}
	databaseURL := s.DatabaseURL
	if databaseURL == "" {
		databaseURL = filepath.Join(dir, "tiga.db")
	}
	keys, err := s.keys(databaseURL, dir)
	if err != nil {
		return nil, err
	}
	store, err := db.Open(ctx, db.Config{URL: databaseURL, Keys: keys, Log: log, Spool: dir, ReadOnly: readOnly})
	switch {
	case errors.Is(err, db.ErrKeys):
		return nil, settingError{setting: "--key-file", problem: "is not the one that this store was made with; nothing was changed", err: err}
	case errors.Is(err, db.ErrLocked):
		return nil, settingError{setting: "--data-dir", problem: "is in use by another tiga; stop it, or choose another directory", err: err}
	}
	return store, err
}

// logSettings say how the process speaks of itself.
type logSettings struct {
	LogFormat string `help:"How log lines look: text or json." enum:"text,json" default:"text"`
	LogLevel  string `help:"Least level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
}

// logger writes to std's error stream, with whatever looks like a secret taken out.
func (s logSettings) logger(std streams) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, settingError{setting: "--log-level", problem: "is not a level", err: err}
	}
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(std.err, options)
	if s.LogFormat == "json" {
		h = slog.NewJSONHandler(std.err, options)
	}
	return slog.New(redact.NewHandler(h)), nil
}

// webSettings say where Tiga listens and under which name it is known.
type webSettings struct {
	Listen         string   `help:"Address to listen on." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	MetricsListen  string   `help:"Serve /metrics on an address of its own, and not on --listen." placeholder:"HOST:PORT"`
	ExternalURL    string   `help:"The address that browsers use, such as https://tiga.example.com. Required unless --listen is a loopback address." placeholder:"URL"`
	TrustedProxies []string `help:"Networks (CIDR) of reverse proxies whose X-Forwarded-For is believed." placeholder:"CIDR"`
	FrameAncestors []string `help:"Origins (https://host) that may show Tiga in a frame." placeholder:"ORIGIN"`
}

// site checks the addresses, for a listener that is bound to bound.
func (s webSettings) site(bound string) (*guard.Site, error) {
	site, err := guard.NewSite(guard.SiteConfig{Listen: bound, ExternalURL: s.ExternalURL})
	if err != nil {
		return nil, settingError{setting: "--external-url", problem: "cannot be used", err: err}
	}
	return site, nil
}

// proxies reads the networks of trusted proxies.
func (s webSettings) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, cidr := range s.TrustedProxies {
		p, err := netip.ParsePrefix(strings.TrimSpace(cidr))
		if err != nil {
			return nil, settingError{setting: "--trusted-proxies", problem: fmt.Sprintf("%q is not a network like 10.0.0.0/8", cidr), err: err}
		}
		out = append(out, p)
	}
	return out, nil
}

// check looks at what can be checked before anything is opened.
func (s webSettings) check() error {
	if _, err := s.site(s.Listen); err != nil {
		return err
	}
	if _, err := s.proxies(); err != nil {
		return err
	}
	if _, err := guard.CheckFrameAncestors(s.FrameAncestors); err != nil {
		return settingError{setting: "--frame-ancestors", problem: "cannot be used", err: err}
	}
	if s.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(s.MetricsListen); err != nil {
			return settingError{setting: "--metrics-listen", problem: "has to be host:port", err: err}
		}
	}
	return nil
}

// pastSettings say what is recorded of changes in the clusters.
type pastSettings struct {
	History     string `help:"What is recorded of changes in the clusters: watch (also those made elsewhere), tiga (only those made through Tiga) or off." enum:"watch,tiga,off" default:"watch"`
	HistoryDays int    `help:"How many days changes are kept." default:"7" placeholder:"DAYS"`
	HistoryRows int    `help:"How many changes are kept of each cluster." default:"10000" placeholder:"ROWS"`
}

func (s pastSettings) check() error {
	if s.HistoryDays < 1 || s.HistoryDays > 3650 {
		return settingError{setting: "--history-days", problem: "has to be from 1 to 3650"}
	}
	if s.HistoryRows < 100 || s.HistoryRows > 1_000_000 {
		return settingError{setting: "--history-rows", problem: "has to be from 100 to 1000000; to record nothing set --history=off"}
	}
	return nil
}

func (s pastSettings) limits() db.ChangeLimits {
	return db.ChangeLimits{Life: time.Duration(s.HistoryDays) * 24 * time.Hour, Rows: s.HistoryRows}
}

// operatorKubeconfigs are the files that the operator named, in order: those of the flag, or those that kubectl would
// read. Only ~/.kube/config, which nobody named, may be missing.
func operatorKubeconfigs(flag string) ([]string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // then there is no default file to read
	}
	named := cmp.Or(flag, os.Getenv("KUBECONFIG"))
	var found []string
	for _, path := range kubeconfig.Paths(func(string) string { return named }, home) {
		_, err := os.Stat(path)
		switch {
		case err == nil:
			found = append(found, path)
		case named != "":
			return nil, settingError{setting: "--kubeconfig", problem: "cannot be read; name an existing file or leave the setting out", err: err}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, settingError{setting: "--kubeconfig", problem: "is not set, and the usual file cannot be read", err: err}
		}
	}
	return found, nil
}

// prometheusURLs reads NAME=URL. A name may hold an equals sign, an address that is accepted begins in one way.
func prometheusURLs(settings []string) (map[string]string, error) {
	out := map[string]string{}
	for _, setting := range settings {
		at := max(strings.Index(setting, "=http://"), strings.Index(setting, "=https://"))
		if at <= 0 {
			name, _, _ := strings.Cut(setting, "=") // the rest may hold a password
			return nil, settingError{setting: "--prometheus-url", problem: fmt.Sprintf("what is given for %q has to be NAME=URL with an address such as http://prometheus.example.com:9090", name)}
		}
		url, err := kube.CheckPrometheusURL(setting[at+1:])
		if err != nil {
			return nil, settingError{setting: "--prometheus-url", problem: fmt.Sprintf("the address of %q cannot be used: give http:// or https://, a host, and no user name, query or fragment", setting[:at]), err: err}
		}
		out[setting[:at]] = url
	}
	return out, nil
}
