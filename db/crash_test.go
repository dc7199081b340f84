package db_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

// The test binary run again with these is the program that is killed.
const (
	crashURL = "TIGA_TEST_CRASH_URL"
	crashKey = "TIGA_TEST_CRASH_KEY"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(crashURL); url != "" {
		err := crashing(context.Background(), url, os.Getenv(crashKey), os.Stdout)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashing writes audit rows and clusters until it is killed. A line says what is on disk, after the
// store has said so.
func crashing(ctx context.Context, url, key string, out io.Writer) error {
	k, err := seal.ParseKey(key)
	if err != nil {
		return err
	}
	s, err := db.Open(ctx, db.Config{URL: url, Keys: seal.NewKeyring(k)})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for worker := range 3 {
		go func() {
			for n := 0; ; n++ {
				i, err := s.Audit().Append(ctx, scaled)
				if err != nil {
					failed <- err
					return
				}
				fmt.Fprintf(out, "intent %s\n", i.ID())
				name := fmt.Sprintf("c-%d-%d-%d", os.Getpid(), worker, n)
				sealed, err := s.Seal([]byte("token of " + name))
				if err == nil {
					err = s.Write(ctx, func(q *db.Queries) error {
						_, err := q.CreateCluster(ctx, db.NewCluster{Name: name, Source: "api", Now: now}, sealed)
						return err
					})
				}
				if err != nil {
					failed <- err
					return
				}
				fmt.Fprintf(out, "cluster %s\n", name)
				if err := s.Audit().Outcome(ctx, i, db.Outcome{}); err != nil {
					failed <- err
					return
				}
				fmt.Fprintf(out, "outcome %s\n", i.ID())
			}
		}()
	}
	return <-failed
}

// killWhileWriting runs the program, kills it without warning after some lines, and returns what it
// had acknowledged.
func killWhileWriting(t *testing.T, url, key string, after int) (acknowledged []string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), crashURL+"="+url, crashKey+"="+key)
	out := must[io.ReadCloser](t)(c.StdoutPipe())
	var complaint strings.Builder
	c.Stderr = &complaint
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() { _ = c.Process.Kill() })
	defer kill()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // half a line is no acknowledgement
			break
		}
		if acknowledged = append(acknowledged, strings.TrimSpace(line)); len(acknowledged) >= after {
			kill() // what it wrote until now is still read
		}
	}
	_ = c.Wait()
	if len(acknowledged) < after {
		t.Fatalf("the program ended by itself: %s", complaint.String())
	}
	return acknowledged
}

// Goal 8: kill -9 while writing, again and again. What was acknowledged is there, half a change is
// not, and the audit record verifies.
func TestSIGKILLLosesNothingAcknowledged(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 2
	}
	for name, newURL := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := newURL(t)
			raw := make([]byte, 32)
			copy(raw, name)
			key := must[*seal.Key](t)(seal.NewKey(raw))
			total := 0
			for n := range kills {
				acknowledged := killWhileWriting(t, url, base64.StdEncoding.EncodeToString(raw), 20+37*n)
				total += len(acknowledged)
				s := dbtest.Open(t, url, func(c *db.Config) { c.Keys = seal.NewKeyring(key) })
				checkAcknowledged(t, s, acknowledged)
				if v := verify(t, s, db.VerifyOptions{}); !v.OK() {
					t.Errorf("after kill %d: %v", n, v.Findings)
				}
				if page := must[db.AuditPage](t)(s.Audit().List(t.Context(), db.AuditFilter{Result: db.ResultOpen})); len(page.Lines) != 0 {
					t.Errorf("after kill %d: %d intents have no outcome", n, len(page.Lines))
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d kills, %d acknowledged changes, none lost", kills, total)
		})
	}
}

func checkAcknowledged(t *testing.T, s *db.Store, acknowledged []string) {
	t.Helper()
	for _, line := range acknowledged {
		what, id, _ := strings.Cut(line, " ")
		switch what {
		case "cluster":
			c, err := s.Read().ClusterByName(t.Context(), id)
			if err != nil {
				t.Errorf("cluster %s was acknowledged and is lost: %v", id, err)
				continue
			}
			if got, err := s.ClusterCredentials(t.Context(), c.ID); err != nil || string(got) != "token of "+id {
				t.Errorf("credentials of %s: %q, %v", id, got, err)
			}
		case "intent", "outcome":
			_, outcome, err := s.Audit().Entry(t.Context(), id)
			if err != nil || outcome == nil {
				t.Errorf("%s was acknowledged and is lost: %v", line, err)
			} else if what == "outcome" && outcome.Result != db.ResultOK {
				t.Errorf("%s was acknowledged as ok and is %s", line, outcome.Result)
			}
		default:
			t.Error(errors.New("unknown line " + line))
		}
	}
}
