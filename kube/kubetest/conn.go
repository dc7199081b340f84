package kubetest

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// quiet drops what net/http says of handshakes that a test broke on purpose.
func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) } //nolint:forbidigo // net/http wants this type

// stallListener hands out connections that can go silent.
type stallListener struct {
	net.Listener
	server *Server
}

func (l *stallListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := &stallConn{Conn: c, server: s, stalled: s.stalled}
	s.live[c] = sc
	return sc, nil
}

// stallConn loses bytes in both directions while it is stalled, as a forgotten connection does.
type stallConn struct {
	net.Conn
	server  *Server
	mu      sync.Mutex
	stalled bool
}

func (c *stallConn) setStalled(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = on
}

func (c *stallConn) isStalled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stalled
}

func (c *stallConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.isStalled() {
			return n, err
		}
	}
}

func (c *stallConn) Write(p []byte) (int, error) {
	if c.isStalled() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *stallConn) Close() error {
	c.server.mu.Lock()
	delete(c.server.live, c.Conn)
	c.server.mu.Unlock()
	return c.Conn.Close()
}

// memory is a network of one listener inside the process. Its connections wait on channels only, so that time goes on
// in a synctest bubble while they are idle.
type memory struct {
	mu     sync.Mutex
	accept chan net.Conn
	closed chan struct{}
}

func newMemory() *memory { return &memory{} }

func (m *memory) listen() net.Listener {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accept, m.closed = make(chan net.Conn), make(chan struct{})
	return &memoryListener{accept: m.accept, closed: m.closed}
}

// dial fails as a closed port does while no listener is there.
func (m *memory) dial(ctx context.Context) (net.Conn, error) {
	m.mu.Lock()
	accept, closed := m.accept, m.closed
	m.mu.Unlock()
	client, server := pipe()
	select {
	case accept <- server:
		return client, nil
	case <-closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memoryAddr{}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryListener struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "kubetest.invalid:6443" }

// pipe is a full-duplex connection with room for what one side writes ahead of the other, which net.Pipe has not and
// TLS needs.
func pipe() (client, server net.Conn) {
	a, b := newBuffer(), newBuffer()
	return &pipeConn{in: a, out: b}, &pipeConn{in: b, out: a}
}

// buffer is one direction of a pipe. It is unbounded: tests send little.
type buffer struct {
	mu       sync.Mutex
	data     []byte
	closed   bool
	deadline time.Time
	changed  chan struct{}
}

func newBuffer() *buffer { return &buffer{changed: make(chan struct{})} }

// wake tells every waiting reader to look again; mu is held.
func (b *buffer) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *buffer) write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	b.data = append(b.data, p...)
	b.wake()
	return len(p), nil
}

func (b *buffer) read(p []byte) (int, error) {
	for {
		b.mu.Lock()
		switch {
		case len(b.data) > 0:
			n := copy(p, b.data)
			b.data = b.data[n:]
			b.mu.Unlock()
			return n, nil
		case b.closed:
			b.mu.Unlock()
			return 0, io.EOF
		case !b.deadline.IsZero() && !time.Now().Before(b.deadline):
			b.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		changed, deadline := b.changed, b.deadline
		b.mu.Unlock()
		if deadline.IsZero() {
			<-changed
			continue
		}
		t := time.NewTimer(time.Until(deadline))
		select {
		case <-changed:
		case <-t.C:
		}
		t.Stop()
	}
}

func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.wake()
	}
}

func (b *buffer) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = t
	b.wake()
}

type pipeConn struct{ in, out *buffer }

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.write(p) }
func (c *pipeConn) Close() error                { c.in.close(); c.out.close(); return nil }
func (c *pipeConn) LocalAddr() net.Addr         { return memoryAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr        { return memoryAddr{} }

// SetDeadline bounds reads; writes never wait.
func (c *pipeConn) SetDeadline(t time.Time) error     { c.in.setDeadline(t); return nil }
func (c *pipeConn) SetReadDeadline(t time.Time) error { c.in.setDeadline(t); return nil }
func (c *pipeConn) SetWriteDeadline(time.Time) error  { return nil }
