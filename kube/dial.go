package kube

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	tlsTimeout  = 5 * time.Second
)

// addressError means that the name of an API server led to an address that is never connected to.
type addressError struct{ addr netip.Addr }

func (e *addressError) Error() string { return "address " + e.addr.String() + " is not allowed" }

// metadata are addresses of cloud metadata services outside the link-local ranges.
func metadata(a netip.Addr) bool {
	switch a.String() {
	case "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192":
		return true
	default:
		return false
	}
}

// checkAddr refuses the addresses at which no API server is and at which a machine's secrets are: link-local with the
// metadata services, multicast, unspecified. It sees the address that is being connected to, after every look-up.
func checkAddr(addr netip.AddrPort) error {
	a := addr.Addr().Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || metadata(a) || addr.Port() == 0 ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || a.Is4() && a.As4()[0] == 0 {
		return &addressError{a}
	}
	return nil
}

// dialer opens the connections of one cluster and can close them all.
type dialer struct {
	check func(netip.AddrPort) error // a further rule, may be nil
	dial  func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	open   map[*trackedConn]struct{}
	closed bool
}

func newDialer(cfg *Config) *dialer {
	d := &dialer{check: cfg.CheckAddr, open: map[*trackedConn]struct{}{}}
	if cfg.Dial != nil {
		d.dial = cfg.Dial
		return d
	}
	nd := &net.Dialer{
		Timeout: dialTimeout, Resolver: cfg.Resolver,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3},
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("check address %s: %w", address, err)
			}
			return d.allowed(addr)
		},
	}
	d.dial = nd.DialContext
	return d
}

func (d *dialer) allowed(addr netip.AddrPort) error {
	if err := checkAddr(addr); err != nil {
		return err
	}
	if d.check != nil {
		if err := d.check(addr); err != nil {
			return fmt.Errorf("%w: %w", &addressError{addr.Addr()}, err)
		}
	}
	return nil
}

// DialContext connects, bounded in time.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	// A dialer that was passed in knows no control hook, so what it connected to is checked afterwards.
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		if err := d.allowed(t.AddrPort()); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	tc := &trackedConn{Conn: c, dialer: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = c.Close()
		return nil, errClosed
	}
	d.open[tc] = struct{}{}
	return tc, nil
}

// Close ends every connection and refuses new ones: what was running over them fails now.
func (d *dialer) Close() {
	d.mu.Lock()
	d.closed = true
	conns := make([]*trackedConn, 0, len(d.open))
	for c := range d.open {
		conns = append(conns, c)
	}
	d.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

type trackedConn struct {
	net.Conn
	dialer *dialer
}

func (c *trackedConn) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.open, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}
