package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
)

// classify is the one place that decides what an error means: which kind it is and what to say about it.
func classify(err error) *Error {
	if known := (*Error)(nil); errors.As(err, &known) {
		e := *known
		return &e
	}
	e := &Error{Err: err}
	switch {
	case classifyOwn(e, err), classifyStatus(e, err), classifyTLS(e, err), classifyNet(e, err):
	default:
		// What is left are answers that could not be read: a web page, half an object, another program's JSON.
		e.Kind, e.Reason = KindInternal, message("not_kubernetes")
	}
	return e
}

// classifyOwn knows the refusals that are made here, before a request leaves.
func classifyOwn(e *Error, err error) bool {
	var (
		open      *openError
		throttled *throttledError
		tooLarge  *tooLargeError
		refused   *addressError
	)
	switch {
	case errors.As(err, &open):
		cause := classify(open.cause)
		e.Kind, e.Reason = cause.Kind, cause.Reason
	case errors.As(err, &throttled):
		e.Kind, e.RetryAfter = KindBusy, throttled.seconds()
		e.Reason = message("throttled", "Seconds", e.RetryAfter)
	case errors.As(err, &tooLarge):
		e.Kind, e.Reason = KindInternal, message("too_large", "Limit", tooLarge.limit>>20)
	case errors.As(err, &refused):
		e.Kind, e.Reason = KindUnreachable, message("address_refused", "Address", refused.addr.String())
	case errors.Is(err, errReadOnly):
		e.Kind, e.Reason = KindReadOnly, message("read_only")
	case errors.Is(err, errForbiddenPath):
		e.Kind, e.Reason = KindForbidden, message("path_refused")
	case errors.Is(err, errBusy):
		e.Kind, e.Reason = KindBusy, message("busy")
	case errors.Is(err, errLocked):
		e.Kind, e.Reason = KindUnauthorized, message("unauthorized")
	case errors.Is(err, errClosed):
		e.Kind, e.Reason = KindDisabled, message("closed")
	case errors.Is(err, kubeconfig.ErrExecRefused):
		e.Kind, e.Reason = KindUnauthorized, message("exec_refused")
	case errors.Is(err, kubeconfig.ErrClosed):
		e.Kind, e.Reason = KindUnauthorized, message("no_credentials")
	case errors.Is(err, errPlugin):
		e.Kind, e.Reason = KindUnauthorized, message("exec_failed")
	default:
		return false
	}
	return true
}

// classifyStatus knows what an API server answers.
func classifyStatus(e *Error, err error) bool {
	api := apierrors.APIStatus(nil)
	if !errors.As(err, &api) {
		return false
	}
	s := api.Status()
	e.Kind = statusKind(s)
	// client-go puts the body of an answer that is no Status object into a message of its own; such a body may be anything.
	if s.Details == nil || !hasUnexpectedBody(s.Details.Causes) {
		e.Server = s.Message
	} else if s.Code < http.StatusBadRequest || e.Kind == KindInternal {
		e.Reason = message("not_kubernetes_status", "Code", int(s.Code))
		return true
	}
	e.Causes, e.Conflicts = causesOf(s), fieldConflicts(s)
	if s.Details != nil {
		e.RetryAfter = int(s.Details.RetryAfterSeconds)
	}
	e.Reason = statusReason(e, s)
	return true
}

func hasUnexpectedBody(causes []metav1.StatusCause) bool {
	for _, c := range causes {
		if c.Type == metav1.CauseTypeUnexpectedServerResponse {
			return true
		}
	}
	return false
}

func statusKind(s metav1.Status) ErrorKind {
	err := &apierrors.StatusError{ErrStatus: s}
	switch {
	case apierrors.IsNotFound(err):
		return KindNotFound
	case apierrors.IsForbidden(err):
		return KindForbidden
	case apierrors.IsUnauthorized(err):
		return KindUnauthorized
	case apierrors.IsAlreadyExists(err):
		return KindExists
	case apierrors.IsConflict(err):
		return KindConflict
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err),
		apierrors.IsUnsupportedMediaType(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsNotAcceptable(err):
		return KindInvalid
	case apierrors.IsTooManyRequests(err):
		return KindBusy
	case apierrors.IsGone(err), apierrors.IsResourceExpired(err):
		return KindGone
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), s.Code == http.StatusGatewayTimeout:
		return KindTimeout
	case s.Code >= 300 && s.Code < 400:
		return KindInternal
	}
	return KindInternal
}

func statusReason(e *Error, s metav1.Status) kinds.Message {
	switch e.Kind {
	case KindNotFound:
		return message("not_found")
	case KindForbidden:
		return message("forbidden")
	case KindUnauthorized:
		return message("unauthorized")
	case KindExists:
		return message("exists")
	case KindConflict:
		return message("conflict")
	case KindInvalid:
		return message("invalid")
	case KindBusy:
		return message("throttled", "Seconds", e.RetryAfter)
	case KindGone:
		return message("gone")
	case KindTimeout:
		return message("server_timeout")
	default:
		if s.Code >= 300 && s.Code < 400 {
			return message("redirect", "Code", int(s.Code))
		}
		return message("server_error", "Code", int(s.Code))
	}
}

// classifyTLS knows why a server or a client was not recognised.
func classifyTLS(e *Error, err error) bool {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	e.Kind = KindUnreachable
	switch {
	case errors.As(err, &authority):
		e.Reason = message("tls_unknown_authority")
	case errors.As(err, &name):
		e.Reason = message("tls_name", "Host", name.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		e.Reason = message("tls_expired", "Date", date(invalid.Cert.NotAfter))
	case errors.As(err, &invalid):
		e.Reason = message("tls_invalid")
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Reason = message("tls_none")
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		// The server ended the handshake: it wants another client certificate, or knows none of our protocols.
		e.Kind, e.Reason = KindUnauthorized, message("tls_client_refused")
		if !strings.Contains(err.Error(), "certificate") {
			e.Kind, e.Reason = KindUnreachable, message("tls_failed")
		}
	case errors.As(err, new(*tls.CertificateVerificationError)):
		e.Reason = message("tls_invalid")
	case strings.Contains(err.Error(), "tls: "):
		e.Reason = message("tls_failed")
	default:
		return false
	}
	return true
}

// classifyNet knows why there is no connection, or none any more.
func classifyNet(e *Error, err error) bool {
	var (
		dns     *net.DNSError
		timeout net.Error
	)
	e.Kind = KindUnreachable
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		e.Reason = message("dns", "Host", dns.Name)
	case errors.As(err, &dns):
		e.Reason = message("dns_timeout", "Host", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Reason = message("refused")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Reason = message("no_route")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Reason = KindTimeout, message("timeout")
	case runtime.IsNotRegisteredError(err), runtime.IsMissingKind(err), runtime.IsMissingVersion(err):
		e.Kind, e.Reason = KindInternal, message("not_kubernetes")
	case errors.As(err, new(*net.OpError)), errors.As(err, new(*url.Error)), errors.As(err, new(*brokenError)):
		// The rest of what can end a connection: a reset, the end of the stream, an error of HTTP/2. Outside of these
		// wrappers an unexpected end is that of an object, not of a connection.
		e.Reason = message("reset")
	default:
		return false
	}
	return true
}

// date is how messages show an instant, the same in every language.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
