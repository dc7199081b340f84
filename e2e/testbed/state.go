package testbed

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ports are where the parts of a cluster listen, all on 127.0.0.1.
type ports struct {
	APIServer int
	Etcd      int
	EtcdPeer  int
	KWOK      int
	Metrics   int
}

func (p *ports) all() []*int { return []*int{&p.APIServer, &p.Etcd, &p.EtcdPeer, &p.KWOK, &p.Metrics} }

// state is what the folder of a cluster knows about it.
type state struct {
	Options   Options
	Binaries  Binaries
	Ports     ports
	Processes map[string]process
	Ready     bool
}

func stateFile(dir string) string { return filepath.Join(dir, "state.json") }

func readState(dir string) (state, error) {
	var s state
	content, err := os.ReadFile(stateFile(dir))
	if err != nil {
		return s, fmt.Errorf("read the state of the cluster: %w", err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("read the state of the cluster in %s: %w", dir, err)
	}
	return s, nil
}

func (c *Cluster) save(ready bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saveLocked(ready)
}

func (c *Cluster) saveLocked(ready bool) error {
	content, err := json.MarshalIndent(state{c.opts, c.bin, c.ports, c.processes, ready}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state of the cluster: %w", err)
	}
	unfinished := stateFile(c.dir) + ".new"
	if err := os.WriteFile(unfinished, content, 0o600); err != nil {
		return fmt.Errorf("write the state of the cluster: %w", err)
	}
	if err := os.Rename(unfinished, stateFile(c.dir)); err != nil {
		return fmt.Errorf("write the state of the cluster: %w", err)
	}
	return nil
}

// claimPorts takes the ports that the cluster had before, or others.
func (c *Cluster) claimPorts(before ports) error {
	var claims []claim
	for _, port := range before.all() {
		claim, err := claimPort(c.cache, *port)
		if *port == 0 || err != nil {
			break
		}
		claims = append(claims, claim)
	}
	if len(claims) < len(before.all()) {
		release(claims)
		var err error
		if claims, err = claimPorts(c.cache, len(before.all())); err != nil {
			return err
		}
	}
	c.claims = claims
	for i, port := range c.ports.all() {
		*port = claims[i].port
	}
	return nil
}

// removeData removes what the cluster held, not its credentials.
func (c *Cluster) removeData() error {
	for _, name := range []string{"etcd", "logs", "audit"} {
		if err := os.RemoveAll(c.path(name)); err != nil {
			return fmt.Errorf("remove the data of %s: %w", c.opts.Name, err)
		}
	}
	return nil
}
