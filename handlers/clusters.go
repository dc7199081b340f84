package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kubeconfig"
)

// testBudget is how long a connection may take to prove itself.
const testBudget = 15 * time.Second

const (
	maxClusterName = 63
	maxLabel       = 20
)

// clusterColours are the colours that an environment can have.
func clusterColours() []string {
	return []string{"", "red", "amber", "green", "blue", "violet", "grey"}
}

// fieldError is one thing that is wrong with one field of a form or of a request's body.
type fieldError struct {
	field string
	id    string
	args  map[string]any
}

func (f *fieldError) Error() string { return f.field + ": " + f.id }

// newCluster is a cluster that somebody wants to add.
type newCluster struct {
	name, environment, colour, description string
	enabled, isDefault, readOnly           bool
	source                                 string // kubeconfig, in-cluster, upload or api
	context                                kubeconfig.Context
}

// checkClusterName says what is wrong with a name, apart from its being taken. Names stand in rights and in the audit log,
// so what cannot be seen or told apart is refused.
func checkClusterName(name string) error {
	switch {
	case name == "":
		return &fieldError{field: "name", id: "cluster_form.name_missing"}
	case utf8.RuneCountInString(name) > maxClusterName:
		return &fieldError{field: "name", id: "cluster_form.name_long", args: map[string]any{"Max": maxClusterName}}
	case strings.TrimSpace(name) != name, strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsPrint(r) || strings.ContainsRune(`*?/\`, r)
	}):
		return &fieldError{field: "name", id: "cluster_form.name_characters"}
	}
	return nil
}

func checkLook(environment, colour string) error {
	if utf8.RuneCountInString(environment) > maxLabel || strings.ContainsFunc(environment, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &fieldError{field: "environment", id: "cluster_form.environment", args: map[string]any{"Max": maxLabel}}
	}
	if !slices.Contains(clusterColours(), colour) {
		return &fieldError{field: "colour", id: "cluster_form.colour"}
	}
	return nil
}

// defaultEnvironment guesses what a cluster is for from its name, so that a production cluster is marked from the start.
func defaultEnvironment(name string) (label, colour string) {
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) }) {
		switch word {
		case "prod", "production", "prd", "live":
			return "prod", "red"
		case "staging", "stage", "stg", "preprod":
			return "staging", ""
		case "dev", "development":
			return "dev", ""
		}
	}
	return "", ""
}

// addCluster validates a cluster, tries its connection, and stores it. One that is added switched off is not tried. FR-0.9
func (s *Server) addCluster(r *http.Request, n newCluster) (db.Cluster, error) {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return db.Cluster{}, s.refused(r, err)
	}
	if !s.proven(visitOf(r)) {
		return db.Cluster{}, errUnproven
	}
	if err := errors.Join(checkClusterName(n.name), checkLook(n.environment, n.colour)); err != nil {
		return db.Cluster{}, err
	}
	if _, err := s.store.Read().ClusterByName(r.Context(), n.name); err == nil {
		return db.Cluster{}, fmt.Errorf("cluster %s: %w", n.name, db.ErrConflict)
	} else if !errors.Is(err, db.ErrNotFound) {
		return db.Cluster{}, err
	}
	if err := s.checkNew(r.Context(), n.context); err != nil {
		return db.Cluster{}, err
	}
	if n.enabled {
		if _, err := s.tryConnection(r.Context(), n.name, n.context.Credentials); err != nil {
			return db.Cluster{}, err
		}
	}
	var row db.Cluster
	err := s.recorded(r, s.ownEvent(r, "clusters", n.name, "create"), func(ctx context.Context) (string, error) {
		var err error
		row, err = s.storeCluster(ctx, n)
		return "+ server: " + n.context.Server + "\n+ context: " + n.context.Name, err
	})
	if err != nil {
		return db.Cluster{}, err
	}
	return row, s.reload(r.Context())
}

// checkNew refuses a context that is a cluster already, under whatever name.
func (s *Server) checkNew(ctx context.Context, c kubeconfig.Context) error {
	known, err := s.store.Read().ClusterByFingerprint(ctx, c.Credentials.Fingerprint())
	switch {
	case errors.Is(err, db.ErrNotFound), err == nil && known.DeletedAt != 0:
		return nil
	case err != nil:
		return err
	}
	return &ProblemError{Status: http.StatusConflict, ID: "known_cluster", Args: map[string]any{"Name": known.Name}}
}

// tryConnection connects once, within bounds, and says what was found or exactly what is wrong.
func (s *Server) tryConnection(ctx context.Context, name string, c kubeconfig.Credentials) (kube.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, testBudget)
	defer cancel()
	report, err := s.fleet.Test(ctx, c)
	if e, ok := errors.AsType[*kube.Error](err); ok && e.Cluster == "" {
		named := *e
		named.Cluster = name
		return report, &named
	}
	return report, err
}

// storeCluster writes a new cluster down with its sealed credentials. The first cluster is the default one.
func (s *Server) storeCluster(ctx context.Context, n newCluster) (db.Cluster, error) {
	plain := n.context.Credentials.Marshal()
	defer clear(plain)
	sealed, err := s.store.Seal(plain)
	if err != nil {
		return db.Cluster{}, err
	}
	var row db.Cluster
	err = s.store.Write(ctx, func(q *db.Queries) error {
		if _, err := q.DefaultCluster(ctx); errors.Is(err, db.ErrNotFound) {
			n.isDefault = true
		} else if err != nil {
			return err
		}
		row, err = q.CreateCluster(ctx, db.NewCluster{
			Name: n.name, Enabled: n.enabled, IsDefault: n.isDefault, ReadOnly: n.readOnly, Environment: n.environment, Colour: n.colour,
			Description: n.description, Server: n.context.Server, Context: n.context.Name, Source: n.source,
			Fingerprint: n.context.Credentials.Fingerprint(), Now: s.now().UnixMicro(),
		}, sealed)
		return err
	})
	return row, err
}

// Import stores every usable context of a kubeconfig that is not stored yet, without trying the connections: a cluster
// that is away must not keep Tiga from starting. What was imported before is brought up to date, what was removed stays
// removed. FR-0.8
func (s *Server) Import(ctx context.Context, contexts []kubeconfig.Context, source string) error {
	rows, err := s.store.Read().Clusters(ctx)
	if err != nil {
		return fmt.Errorf("import clusters: %w", err)
	}
	for _, c := range contexts {
		if len(c.Problems) > 0 || c.Credentials.IsZero() {
			s.log.WarnContext(ctx, "context not imported", "context", c.Name, "problem", firstProblem(c))
			continue
		}
		if err := s.importContext(ctx, rows, c, source); err != nil {
			return fmt.Errorf("import context %s: %w", c.Name, err)
		}
	}
	return s.reload(ctx)
}

func firstProblem(c kubeconfig.Context) string {
	if len(c.Problems) == 0 {
		return "no credentials"
	}
	return c.Problems[0].ID
}

func (s *Server) importContext(ctx context.Context, rows []db.Cluster, c kubeconfig.Context, source string) error {
	known, err := s.store.Read().ClusterByFingerprint(ctx, c.Credentials.Fingerprint())
	switch {
	case err == nil && known.DeletedAt != 0:
		return nil
	case err == nil:
		return s.renew(ctx, known, c, source)
	case !errors.Is(err, db.ErrNotFound):
		return err
	}
	// The same context of the operator's own file may have got another address or user.
	same := func(row db.Cluster) bool { return row.Source == source && row.Context == c.Name }
	if i := slices.IndexFunc(rows, same); i >= 0 {
		return s.renew(ctx, rows[i], c, source)
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(rows, func(row db.Cluster) bool { return row.Name == name })
	}
	name := importName(c.Name, taken)
	environment, colour := defaultEnvironment(name)
	row, err := s.storeCluster(ctx, newCluster{
		name: name, environment: environment, colour: colour, enabled: true, isDefault: c.Current, source: source, context: c,
	})
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "cluster imported", "cluster", row.Name, "server", row.Server)
	return nil
}

// importName makes a cluster's name of a context's: what may not stand in a name becomes a dash, and a name that is taken
// gets a number.
func importName(context string, taken func(string) bool) string {
	name := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`*?/\`, r) {
			return '-'
		}
		return r
	}, strings.TrimSpace(context))
	if runes := []rune(name); len(runes) > maxClusterName-4 {
		name = strings.TrimSpace(string(runes[:maxClusterName-4]))
	}
	if name == "" {
		name = "cluster"
	}
	for i, base := 2, name; taken(name); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}

// renew stores a context's credentials for a cluster that is known, if they are others than those it has.
func (s *Server) renew(ctx context.Context, row db.Cluster, c kubeconfig.Context, source string) error {
	plain, err := s.store.ClusterCredentials(ctx, row.ID)
	if err == nil {
		have, err := kubeconfig.Unmarshal(plain)
		clear(plain)
		if err == nil && have.Equal(c.Credentials) {
			return nil
		}
	}
	return s.storeCredentials(ctx, row.ID, c, source)
}

// storeCredentials replaces where a cluster is and how it is reached, both at once: stored credentials are never sent to
// another server. A17
func (s *Server) storeCredentials(ctx context.Context, id int64, c kubeconfig.Context, source string) error {
	plain := c.Credentials.Marshal()
	defer clear(plain)
	sealed, err := s.store.Seal(plain)
	if err != nil {
		return err
	}
	return s.store.Write(ctx, func(q *db.Queries) error {
		_, err := q.SetClusterEndpoint(ctx, db.ClusterEndpoint{
			ID: id, Server: c.Server, Context: c.Name, Source: source, Fingerprint: c.Credentials.Fingerprint(), UpdatedAt: s.now().UnixMicro(),
		}, sealed)
		return err
	})
}

// clusterChange is what may be changed of a cluster; nil leaves a thing as it is.
type clusterChange struct {
	name, environment, colour, description *string
	enabled, readOnly, isDefault           *bool
	context                                *kubeconfig.Context
	source                                 string
	prometheus                             *string // an address that is set by hand; "" lets it be looked for
}

// changeCluster applies a change. New credentials are tried first, unless the cluster is switched off.
func (s *Server) changeCluster(r *http.Request, id int64, change clusterChange) (db.Cluster, error) {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return db.Cluster{}, s.refused(r, err)
	}
	if change.context != nil && !s.proven(visitOf(r)) {
		return db.Cluster{}, errUnproven
	}
	row, err := s.store.Read().Cluster(r.Context(), id)
	if err != nil {
		return db.Cluster{}, err
	}
	old := row
	set(&row.Name, change.name)
	set(&row.Environment, change.environment)
	set(&row.Colour, change.colour)
	set(&row.Description, change.description)
	set(&row.Enabled, change.enabled)
	set(&row.ReadOnly, change.readOnly)
	if err := errors.Join(checkClusterName(row.Name), checkLook(row.Environment, row.Colour)); err != nil {
		return db.Cluster{}, err
	}
	if err := s.checkPrometheus(r, old, &change); err != nil {
		return db.Cluster{}, err
	}
	if change.context != nil && row.Enabled {
		if _, err := s.tryConnection(r.Context(), row.Name, change.context.Credentials); err != nil {
			return db.Cluster{}, err
		}
	}
	err = s.recorded(r, s.clusterEvent(r, old, "update"), func(ctx context.Context) (string, error) {
		diff := clusterDiff(old, row, change)
		if change.context != nil {
			if err := s.storeCredentials(ctx, id, *change.context, change.source); err != nil {
				return "", err
			}
		}
		return diff, s.store.Write(ctx, func(q *db.Queries) error {
			now := s.now().UnixMicro()
			var err error
			row, err = q.UpdateCluster(ctx, db.ClusterSettings{
				ID: id, Name: row.Name, Enabled: row.Enabled, ReadOnly: row.ReadOnly, Environment: row.Environment, Colour: row.Colour,
				Description: row.Description, UpdatedAt: now,
			})
			if err == nil && change.prometheus != nil {
				row, err = q.SetPrometheus(ctx, id, *change.prometheus, now)
			}
			if err == nil && change.isDefault != nil && *change.isDefault {
				row, err = q.SetDefaultCluster(ctx, id, now)
			}
			return err
		})
	})
	if err != nil {
		return db.Cluster{}, err
	}
	return row, s.reload(r.Context())
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s *Server) clusterEvent(r *http.Request, row db.Cluster, verb string) db.Event {
	e := s.ownEvent(r, "clusters", row.Name, verb)
	e.ClusterID, e.Cluster = row.ID, row.Name
	return e
}

// clusterDiff says what a change does, line by line. Credentials are named, never shown.
func clusterDiff(old, row db.Cluster, change clusterChange) string {
	var b strings.Builder
	line := func(field string, before, after any) {
		if before != after {
			fmt.Fprintf(&b, "- %s: %v\n+ %s: %v\n", field, before, field, after)
		}
	}
	line("name", old.Name, row.Name)
	line("environment", old.Environment, row.Environment)
	line("colour", old.Colour, row.Colour)
	line("enabled", old.Enabled, row.Enabled)
	line("read_only", old.ReadOnly, row.ReadOnly)
	if change.prometheus != nil {
		line("prometheus_url", old.PrometheusURL, *change.prometheus)
	}
	if change.isDefault != nil && *change.isDefault {
		line("is_default", old.IsDefault, true)
	}
	if change.context != nil {
		line("server", old.Server, change.context.Server)
		b.WriteString("+ credentials: replaced\n")
	}
	return b.String()
}

// removeClusterByID takes a cluster out of Tiga. Its record stays for the audit log, its credentials do not.
func (s *Server) removeClusterByID(r *http.Request, id int64) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	row, err := s.store.Read().Cluster(r.Context(), id)
	if err != nil {
		return err
	}
	err = s.recorded(r, s.clusterEvent(r, row, "delete"), func(ctx context.Context) (string, error) {
		return "- name: " + row.Name, s.store.Write(ctx, func(q *db.Queries) error {
			_, err := q.RemoveCluster(ctx, id, s.now().UnixMicro())
			return err
		})
	})
	if err != nil {
		return err
	}
	return s.reload(r.Context())
}
