package kinds

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

var certificateKinds = []*Kind{
	Define(Kind{
		GVR: certificatesv1.SchemeGroupVersion.WithResource("certificatesigningrequests"), Churns: true,
		Name: "CertificateSigningRequest", Plural: "CertificateSigningRequests", Short: []string{"csr"},
		Menu: MenuCluster, Sort: "age", Facets: []string{"status", "signer"}, // the names say nothing, and the newest wait for somebody
	},
		Reads[certificatesv1.CertificateSigningRequest]{Status: signingStatus, Refs: signingRefs, Detail: signingDetail},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "signer", Form: FormName, Search: true}, func(r *certificatesv1.CertificateSigningRequest) Cell { return Name(r.Spec.SignerName) }},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "requester", Form: FormName, Search: true}, func(r *certificatesv1.CertificateSigningRequest) Cell { return Name(r.Spec.Username) }},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "lifetime", Form: FormNumber, Hidden: true}, lifetime},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "usages", Form: FormText, Hidden: true, Search: true}, func(r *certificatesv1.CertificateSigningRequest) Cell { return Text(join(r.Spec.Usages)) }},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "expires", Form: FormTime, Hidden: true}, func(r *certificatesv1.CertificateSigningRequest) Cell { return issuedUntil(r.Status.Certificate) }},
		ColumnOf[certificatesv1.CertificateSigningRequest]{Column{ID: "age", Form: FormAge}, func(r *certificatesv1.CertificateSigningRequest) Cell { return Age(unix(r.CreationTimestamp)) }},
	),
}

// signingStatus has kubectl's words, which are several when a request went
// several ways.
func signingStatus(r *certificatesv1.CertificateSigningRequest) Status {
	var approved, denied, failed *certificatesv1.CertificateSigningRequestCondition
	for i := range r.Status.Conditions {
		switch c := &r.Status.Conditions[i]; c.Type {
		case certificatesv1.CertificateApproved:
			approved = c
		case certificatesv1.CertificateDenied:
			denied = c
		case certificatesv1.CertificateFailed:
			failed = c
		}
	}
	var s Status
	switch {
	case denied != nil:
		s = Status{Word: "Denied", Tone: ToneIdle, Reason: Message{Text: short(denied.Message)}, Since: unix(signedAt(denied))} // somebody decided, nothing is left to do
	case approved != nil:
		s = Status{Word: "Approved", Tone: ToneInfo, Since: unix(signedAt(approved)), Reason: Message{ID: "csr.notissued", Args: map[string]any{"Signer": r.Spec.SignerName}}}
	default:
		s = Status{Word: "Pending", Tone: ToneWarn, Reason: Message{ID: "csr.pending"}, Since: unix(r.CreationTimestamp)}
	}
	if failed != nil {
		s = Status{Word: s.Word + ",Failed", Tone: ToneBad, Reason: Message{Text: short(failed.Message)}, Since: unix(signedAt(failed))}
	}
	if len(r.Status.Certificate) > 0 {
		s.Word += ",Issued"
		if failed == nil && denied == nil {
			s.Tone, s.Reason = ToneOK, Message{}
		}
	}
	if t, ok := terminating(r); ok && !t.Reason.IsZero() {
		s.Tone, s.Reason = max(s.Tone, t.Tone), t.Reason
	}
	return s
}

// signedAt is when a decision was made: approvers set one field or the other.
func signedAt(c *certificatesv1.CertificateSigningRequestCondition) metav1.Time {
	if c.LastUpdateTime.IsZero() {
		return c.LastTransitionTime
	}
	return c.LastUpdateTime
}

// lifetime is how long the certificate should be good for, in kubectl's words.
func lifetime(r *certificatesv1.CertificateSigningRequest) Cell {
	s := r.Spec.ExpirationSeconds
	if s == nil {
		return Cell{}
	}
	return Cell{Text: duration.HumanDuration(time.Duration(*s) * time.Second), Num: float64(*s), Form: FormNumber}
}

// requesterRef is the object behind the user that asks, where there is one:
// kubelets ask for their nodes, pods with their service accounts.
func requesterRef(user string) *Ref {
	if node, ok := strings.CutPrefix(user, "system:node:"); ok && node != "" {
		return &Ref{Kind: "nodes", Name: node, Via: "requester"}
	}
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		if namespace, name, ok := strings.Cut(account, ":"); ok {
			return &Ref{Kind: "serviceaccounts", Namespace: namespace, Name: name, Via: "requester"}
		}
	}
	return nil
}

func signingRefs(r *certificatesv1.CertificateSigningRequest) []Ref {
	if ref := requesterRef(r.Spec.Username); ref != nil {
		return []Ref{*ref}
	}
	return nil
}

func signingDetail(r *certificatesv1.CertificateSigningRequest, d *Detail) {
	d.add("signer", Value{Cell: Name(r.Spec.SignerName)})
	d.add("requester", Value{Cell: Name(r.Spec.Username), Ref: requesterRef(r.Spec.Username)})
	d.add("groups", names(r.Spec.Groups)...)
	if block, _ := pem.Decode(r.Spec.Request); block != nil {
		if request, err := x509.ParseCertificateRequest(block.Bytes); err == nil {
			d.add("subject", Value{Cell: Name(request.Subject.String())})
			d.add("dnsnames", names(request.DNSNames)...)
			addresses := make([]string, len(request.IPAddresses))
			for i := range request.IPAddresses {
				addresses[i] = request.IPAddresses[i].String()
			}
			d.add("addresses", names(addresses)...)
		}
	}
	usages := make([]Value, len(r.Spec.Usages))
	for i := range r.Spec.Usages {
		usages[i] = Value{Cell: Text(string(r.Spec.Usages[i]))}
	}
	d.add("usages", usages...)
	d.add("lifetime", Value{Cell: lifetime(r)})
	d.add("expires", Value{Cell: issuedUntil(r.Status.Certificate)})
	d.add("finalizers", names(r.Finalizers)...)
	for i := range r.Status.Conditions {
		c := &r.Status.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, signedAt(c), string(certificatesv1.CertificateDenied), string(certificatesv1.CertificateFailed))
	}
}

// certificatesIn are the certificates of a PEM bundle that can be read.
func certificatesIn(bundle []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return out
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, c)
		}
	}
}

// issuedUntil is when an issued certificate ends; the chain starts with it.
func issuedUntil(chain []byte) Cell {
	if list := certificatesIn(chain); len(list) > 0 {
		return Cell{Num: float64(list[0].NotAfter.Unix()), Form: FormTime}
	}
	return Cell{}
}

// trustedUntil is when the last of a bundle of authorities ends: until then
// the bundle trusts somebody.
func trustedUntil(bundle []byte) Cell {
	var last time.Time
	for _, c := range certificatesIn(bundle) {
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if last.IsZero() {
		return Cell{}
	}
	return Cell{Num: float64(last.Unix()), Form: FormTime}
}
