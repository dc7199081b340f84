package kubeconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// date is how messages show an instant, the same in every language.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// certificates reads every certificate of a PEM text. ok is false if there is anything else than certificates.
func certificates(data []byte) (certs []*x509.Certificate, ok bool) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return certs, len(certs) > 0 && strings.TrimSpace(string(rest)) == ""
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			return nil, false
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, false
		}
		certs = append(certs, cert)
	}
}

// authority checks the certificates that the server's is recognised by.
func (c *checker) authority(data []byte) {
	certs, ok := certificates(data)
	if !ok {
		c.problem("ca_not_pem")
		return
	}
	var last time.Time
	for _, cert := range certs {
		if cert.NotAfter.After(last) {
			last = cert.NotAfter
		}
	}
	if last.Before(c.policy.Now) {
		c.problem("ca_expired", "Date", date(last))
	}
}

// certificate checks a client certificate and its key.
func (c *checker) certificate(cert, key []byte) {
	certs, ok := certificates(cert)
	if !ok {
		c.problem("certificate_not_pem")
		return
	}
	block, _ := pem.Decode(key)
	switch {
	case block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY"):
		c.problem("key_not_pem")
		return
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		c.problem("key_encrypted")
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		if strings.Contains(err.Error(), "does not match") {
			c.problem("key_mismatch")
		} else {
			c.problem("key_not_pem")
		}
		return
	}
	c.expires = certs[0].NotAfter.UTC()
	switch {
	case c.policy.Now.After(certs[0].NotAfter):
		c.problem("certificate_expired", "Date", date(certs[0].NotAfter))
	case c.policy.Now.Before(certs[0].NotBefore):
		c.problem("certificate_not_yet", "Date", date(certs[0].NotBefore))
	case certs[0].NotAfter.Sub(c.policy.Now) < soon:
		c.warn("certificate_ends_soon", "Date", date(certs[0].NotAfter))
	}
}

// commonName is who a client certificate is for.
func commonName(cert []byte) string {
	if certs, ok := certificates(cert); ok {
		return shown(certs[0].Subject.CommonName)
	}
	return ""
}
