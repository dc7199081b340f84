// Package open holds the key that opens credentials. It can be imported under kube only, so nothing outside can read
// what a kubeconfig.Credentials hides, not even by accident: the key has an unexported field and cannot be written down
// elsewhere.
package open

// Key opens credentials. The zero Key opens nothing.
type Key struct{ made bool }

// New makes the key.
func New() Key { return Key{made: true} }

// Valid tells a key that New made from the zero one.
func (k Key) Valid() bool { return k.made }
