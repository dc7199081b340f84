package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// masters is the group that RBAC lets do everything.
const masters = "system:masters"

// The users of the kubeconfigs in the cluster's folder.
const (
	adminUser   = "admin"
	testbedUser = "testbed"
	kwokUser    = "kwok"
)

// Kubeconfig is the kubeconfig of the cluster's administrator, with a client
// certificate.
func (c *Cluster) Kubeconfig() []byte {
	content, err := os.ReadFile(c.KubeconfigPath())
	if err != nil {
		// start wrote it and nothing but the end of the cluster removes it.
		panic(fmt.Sprintf("the cluster %s is gone: %v", c.opts.Name, err))
	}
	return content
}

// KubeconfigPath is the file that holds Kubeconfig.
func (c *Cluster) KubeconfigPath() string { return c.kubeconfigFile(adminUser) }

// KubeconfigFor is the kubeconfig of a user in groups, with a client
// certificate that the cluster accepts. What the user may do is up to RBAC
// and to the test. It panics if the names cannot be in a certificate.
func (c *Cluster) KubeconfigFor(user string, groups ...string) []byte {
	return c.ExpiringKubeconfigFor(longValid, user, groups...)
}

// ExpiringKubeconfigFor is KubeconfigFor with a certificate that is valid for
// that long from now; if that is negative, it has expired.
func (c *Cluster) ExpiringKubeconfigFor(validFor time.Duration, user string, groups ...string) []byte {
	content, err := c.makeKubeconfig(subject{user: user, groups: groups}, validFor)
	if err != nil {
		panic(fmt.Sprintf("kubeconfig for %s: %v", user, err))
	}
	return content
}

func (c *Cluster) kubeconfigFile(user string) string { return c.path("kubeconfig", user) }

func (c *Cluster) makeKubeconfig(s subject, validFor time.Duration) ([]byte, error) {
	cert, key, err := c.ca.issue(s, validFor)
	if err != nil {
		return nil, err
	}
	name, login := c.opts.Name, c.opts.Name+"-"+s.user
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.Server(), CertificateAuthorityData: c.ca.certPEM}
	config.AuthInfos[login] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: login}
	config.CurrentContext = name
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return content, nil
}

// writeKubeconfigs writes one for each of the users that the cluster itself
// needs. One that is for the same server stays: it may have been handed out.
func (c *Cluster) writeKubeconfigs() error {
	if err := os.MkdirAll(c.path("kubeconfig"), 0o700); err != nil {
		return fmt.Errorf("make the folder for kubeconfigs: %w", err)
	}
	for _, s := range []subject{
		{user: adminUser, groups: []string{masters}},
		{user: testbedUser, groups: []string{masters}},
		{user: kwokUser, groups: []string{masters}},
		{user: metricsServer, groups: []string{masters}},
		// Its controllers would otherwise each need an account of their own.
		{user: "system:" + controllers, groups: []string{masters}},
		{user: "system:" + scheduler},
	} {
		file := c.kubeconfigFile(s.user)
		if content, err := os.ReadFile(file); err == nil && bytes.Contains(content, []byte("server: "+c.Server()+"\n")) {
			continue
		}
		content, err := c.makeKubeconfig(s, longValid)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return fmt.Errorf("write a kubeconfig: %w", err)
		}
	}
	return nil
}

// connect makes the testbed's own client.
func (c *Cluster) connect() error {
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfigFile(testbedUser))
	if err != nil {
		return fmt.Errorf("read the testbed's kubeconfig: %w", err)
	}
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.UserAgent = "testbed"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make the testbed's client: %w", err)
	}
	c.config, c.client = config, client
	return nil
}

// MergedKubeconfig is one kubeconfig with a context for each cluster, by its
// name; the first is the current one.
func MergedKubeconfig(clusters ...*Cluster) ([]byte, error) {
	merged := clientcmdapi.NewConfig()
	for _, c := range clusters {
		config, err := clientcmd.Load(c.Kubeconfig())
		if err != nil {
			return nil, fmt.Errorf("read the kubeconfig of %s: %w", c.opts.Name, err)
		}
		for name, v := range config.Clusters {
			merged.Clusters[name] = v
		}
		for name, v := range config.AuthInfos {
			merged.AuthInfos[name] = v
		}
		for name, v := range config.Contexts {
			merged.Contexts[name] = v
		}
		if merged.CurrentContext == "" {
			merged.CurrentContext = config.CurrentContext
		}
	}
	content, err := clientcmd.Write(*merged)
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return content, nil
}

// Kubectl runs kubectl as an administrator whose requests RequestCount does
// not count, and returns what it printed. What it said went wrong is part of
// the error.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.bin.Kubectl, append([]string{"--cache-dir", c.path("kubectl-cache")}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfigFile(testbedUser), "KUBECTL_KUBERC=false")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, fmt.Errorf("%s %s: %w: %s", filepath.Base(c.bin.Kubectl), strings.Join(args, " "), err, exit.Stderr)
	}
	if err != nil {
		return out, fmt.Errorf("kubectl: %w", err)
	}
	return out, nil
}
