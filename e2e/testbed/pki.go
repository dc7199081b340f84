package testbed

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// longValid outlives any use of a testbed: nothing renews these.
	longValid = 10 * 365 * 24 * time.Hour
	// clockSkew is how far back a certificate begins.
	clockSkew = time.Hour
)

// authority signs the certificates of one cluster.
type authority struct {
	cert    *x509.Certificate
	certPEM []byte
	key     crypto.Signer
}

// subject is who a certificate is for. With hosts it is a server's, without
// a client's.
type subject struct {
	user   string
	groups []string
	hosts  []string
}

// certPEM64 is the certificate as a field of type bytes holds it.
func (a *authority) certPEM64() string { return base64.StdEncoding.EncodeToString(a.certPEM) }

func newAuthority(name string) (*authority, []byte, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-clockSkew),
		NotAfter:              time.Now().Add(longValid),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certPEM, err := certify(template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	a, err := parseAuthority(certPEM, keyPEM)
	return a, keyPEM, err
}

func parseAuthority(certPEM, keyPEM []byte) (*authority, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("read the cluster's CA: not PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's CA: %w", err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key of the cluster's CA: %w", err)
	}
	return &authority{cert: cert, certPEM: certPEM, key: key}, nil
}

// issue makes a certificate that is valid until validFor from now; the past
// if that is negative.
func (a *authority) issue(s subject, validFor time.Duration) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	until := time.Now().Add(validFor)
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.user, Organization: s.groups},
		NotBefore:   earlier(until, time.Now()).Add(-clockSkew),
		NotAfter:    until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(s.hosts) > 0 {
		// etcd's listener calls itself through the gateway with the
		// certificate that it serves.
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range s.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	certPEM, err = certify(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", s.user, err)
	}
	return certPEM, keyPEM, nil
}

func certify(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// writePKI makes what the cluster's parts prove themselves with, as files in
// dir: NAME.crt and NAME.key.
func writePKI(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	files := map[string][]byte{}
	ca, caKey, err := newAuthority("testbed-ca")
	if err != nil {
		return nil, err
	}
	files["ca.crt"], files["ca.key"] = ca.certPEM, caKey
	// The API server tells a request by its own aggregator from one by a
	// user by this second authority.
	front, _, err := newAuthority("testbed-front-proxy-ca")
	if err != nil {
		return nil, err
	}
	files["front-proxy-ca.crt"] = front.certPEM
	local := []string{"127.0.0.1", "localhost"}
	for name, of := range map[string]struct {
		by *authority
		subject
	}{
		"apiserver": {ca, subject{user: "kube-apiserver", hosts: append(local, serviceIP,
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")}},
		"etcd":               {ca, subject{user: "etcd", hosts: local}},
		"kubelet":            {ca, subject{user: "kubelet", hosts: local}},
		"apiserver-kubelet":  {ca, subject{user: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}}},
		"front-proxy-client": {front, subject{user: "front-proxy-client"}},
	} {
		files[name+".crt"], files[name+".key"], err = of.by.issue(of.subject, longValid)
		if err != nil {
			return nil, err
		}
	}
	_, files["service-account.key"], err = newKey()
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, fmt.Errorf("write a certificate: %w", err)
		}
	}
	return ca, nil
}

func readAuthority(dir string) (*authority, error) {
	certPEM, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's CA: %w", err)
	}
	keyPEM, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, fmt.Errorf("read the key of the cluster's CA: %w", err)
	}
	return parseAuthority(certPEM, keyPEM)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
