package kube

import (
	"context"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"tiga/access"
	"tiga/kube/kinds"
)

// Revealed is one value of a Secret. It has no form in which it could be written by accident.
type Revealed struct{ value []byte }

// Bytes is the value itself. Whoever asks for it sends it to the person who asked, and nowhere else.
func (r Revealed) Bytes() []byte { return r.value }

// String hides the value from logs.
func (r Revealed) String() string { return mark(len(r.value)) }

// GoString hides the value from %#v.
func (r Revealed) GoString() string { return r.String() }

// MarshalText hides the value from encoders.
func (r Revealed) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Reveal reads the value of one key of a Secret. The change names the key and says how long the value is. The permit is
// for VerbReveal on the Secret.
func (c *Cluster) Reveal(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name, key string) (Revealed, Change, error) {
	t := target{"reveal", k.ID(), namespace, name}
	if err := c.allow(permit, k, t, access.VerbReveal); err != nil {
		return Revealed{}, Change{}, err
	}
	ctx, cancel := bounded(ctx, getTimeout)
	defer cancel()
	obj, err := c.conn.get(ctx, k, namespace, name, c.agent(permit))
	if err != nil {
		return Revealed{}, Change{}, c.wrap(err, t)
	}
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return Revealed{}, Change{}, c.refused(t, KindInvalid, message("no_action", "Action", t.op, "Kind", k.Name))
	}
	value, ok := secret.Data[key]
	if !ok {
		return Revealed{}, Change{}, c.refused(t, KindNotFound, message("no_key", "Key", key))
	}
	return Revealed{value}, newChange(secret, nil, map[string]string{"data[" + strconv.Quote(key) + "]": mark(len(value))}), nil
}
