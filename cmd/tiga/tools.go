package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tiga/db"
	"tiga/kube"
	"tiga/kube/kubeconfig"
)

// migrateCommand brings the store up to date.
type migrateCommand struct {
	Store storeSettings `embed:""`
	Log   logSettings   `embed:""`
}

// Run migrates; opening the store does it.
func (c *migrateCommand) Run(ctx context.Context, std streams) error {
	log, err := c.Log.logger(std)
	if err != nil {
		return err
	}
	store, err := c.Store.open(ctx, log, false)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, "The store is up to date.")
	return err
}

// auditCommand is about the audit log.
type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Prove that no row of the audit log was changed, removed, reordered or added by somebody else."`
}

// auditVerifyCommand verifies the audit log.
type auditVerifyCommand struct {
	Store storeSettings `embed:""`
	Log   logSettings   `embed:""`

	Anchor string `help:"File with checkpoint lines that were kept elsewhere (the server logs one a minute); with them rows cut off the end are missed." placeholder:"FILE" type:"existingfile"`
}

// Run verifies and says what it found; findings make the exit code 1.
func (c *auditVerifyCommand) Run(ctx context.Context, std streams) error {
	log, err := c.Log.logger(std)
	if err != nil {
		return err
	}
	var options db.VerifyOptions
	if c.Anchor != "" {
		raw, err := os.ReadFile(c.Anchor)
		if err != nil {
			return settingError{setting: "--anchor", problem: "cannot be read", err: err}
		}
		for line := range strings.Lines(string(raw)) {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			point, err := db.ParseCheckpoint(line)
			if err != nil {
				return settingError{setting: "--anchor", problem: "has a line that is no checkpoint", err: err}
			}
			options.Anchors = append(options.Anchors, point)
		}
	}
	store, err := c.Store.open(ctx, log, true)
	if err != nil {
		return err
	}
	found, err := store.Audit().Verify(ctx, options)
	if err = errors.Join(err, store.Close()); err != nil {
		return err
	}
	for _, f := range found.Findings {
		fmt.Fprintln(std.out, f)
	}
	if !found.OK() {
		return fmt.Errorf("the audit log is not whole: %d findings in %d rows", len(found.Findings), found.Rows)
	}
	_, err = fmt.Fprintf(std.out, "The audit log is whole: %d rows in %d chains, %d checkpoints.\n", found.Rows, found.Chains, found.Checkpoints)
	return err
}

// doctorCommand looks at everything that the server would use.
type doctorCommand struct {
	Store      storeSettings `embed:""`
	Log        logSettings   `embed:""`
	Web        webSettings   `embed:""`
	Kubeconfig string        `help:"Kubeconfig to look at; KUBECONFIG or ~/.kube/config by default." placeholder:"FILE"`
	Timeout    time.Duration `help:"How long each cluster may take to answer." default:"10s"`
}

// Run checks one thing after the other and says what it found of each. The exit code is 1 if anything is wrong.
func (c *doctorCommand) Run(ctx context.Context, std streams) error {
	d := &diagnosis{out: std.out}
	d.check("settings", func() (string, error) { return "valid", c.Web.check() })
	log, err := c.Log.logger(std)
	if err != nil {
		return err
	}
	var store *db.Store
	d.check("store", func() (string, error) {
		var err error
		if store, err = c.Store.open(ctx, log, true); err != nil {
			return "", err
		}
		users, err := store.Read().CountUsers(ctx)
		return fmt.Sprintf("%s, keys fit, %d users", store.Engine(), users), err
	})
	fleet := kube.NewFleet(ctx, kube.Config{Log: log})
	if store != nil {
		defer store.Close()
		c.storedClusters(ctx, d, store, fleet)
	}
	c.kubeconfigs(d)
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveBudget)
	defer cancel()
	if err := fleet.Close(leave); err != nil {
		return err
	}
	if d.wrong > 0 {
		return fmt.Errorf("%d things are wrong", d.wrong)
	}
	return nil
}

// storedClusters tries the connection of every cluster in the store.
func (c *doctorCommand) storedClusters(ctx context.Context, d *diagnosis, store *db.Store, fleet *kube.Fleet) {
	rows, err := store.Read().Clusters(ctx)
	if err != nil {
		d.check("clusters", func() (string, error) { return "", err })
		return
	}
	for _, row := range rows {
		if !row.Enabled {
			continue
		}
		d.check("cluster "+row.Name, func() (string, error) {
			plain, err := store.ClusterCredentials(ctx, row.ID)
			if err != nil {
				return "", err
			}
			credentials, err := kubeconfig.Unmarshal(plain)
			if err != nil {
				return "", err
			}
			limited, cancel := context.WithTimeout(ctx, c.Timeout)
			defer cancel()
			report, err := fleet.Test(limited, credentials)
			return fmt.Sprintf("%s, %d nodes, as %s", report.Version, report.Nodes, report.User), err
		})
	}
}

// kubeconfigs says what a first start would import.
func (c *doctorCommand) kubeconfigs(d *diagnosis) {
	d.check("kubeconfig", func() (string, error) {
		paths, err := operatorKubeconfigs(c.Kubeconfig)
		if err != nil || len(paths) == 0 {
			return "none", err
		}
		found, err := kubeconfig.Load(paths, kubeconfig.Policy{})
		if err != nil {
			return "", err
		}
		var refused []string
		for _, k := range found {
			if len(k.Problems) > 0 {
				refused = append(refused, k.Name+" ("+k.Problems[0].ID+")")
			}
		}
		if len(refused) > 0 {
			return "", fmt.Errorf("%d contexts cannot be used: %s", len(refused), strings.Join(refused, ", "))
		}
		return fmt.Sprintf("%d contexts in %s", len(found), strings.Join(paths, ", ")), nil
	})
}

// diagnosis writes a line for each thing that was looked at.
type diagnosis struct {
	out   io.Writer
	wrong int
}

func (d *diagnosis) check(what string, look func() (string, error)) {
	found, err := look()
	if err != nil {
		d.wrong++
		fmt.Fprintf(d.out, "wrong  %-24s %v\n", what, err)
		return
	}
	fmt.Fprintf(d.out, "ok     %-24s %s\n", what, found)
}
