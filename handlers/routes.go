package handlers

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"tiga/access"
)

// audience is who may call a route at all; what they may do there is decided by a Permit.
type audience uint8

const (
	audienceUnset audience = iota
	anyone
	signedIn
	ofCluster // signed in, and sees the cluster that the path names
	ofKind    // ofCluster, and the path names a kind
)

// route is one row of the route table. A row without an effect or an audience stops the program at start.
type route struct {
	method  string
	pattern string
	// effect is the most that the route may do. A handler cannot ask for a permit beyond it.
	effect access.Effect
	who    audience
	handle handler
	// stream marks answers without an end: no deadline, no compression.
	stream bool
}

// routes is every page and action; the API's operations are in apiRoutes.
func (s *Server) routes() []route {
	const (
		cluster = "/clusters/{id}"
		kind    = cluster + "/{resource}"
		object  = kind + "/{namespace}/{name}"
		setting = "/settings/clusters"
	)
	rows := []route{
		// Anyone.
		{"GET", "/healthz", access.EffectRead, anyone, s.showHealthy, false},
		{"GET", "/readyz", access.EffectRead, anyone, s.showReady, false},
		{"GET", "/login", access.EffectRead, anyone, s.showSignIn, false},
		{"POST", "/login", access.EffectRead, anyone, s.signIn, false},
		{"POST", "/preferences", access.EffectRead, anyone, s.setPreferences, false},

		// Signed in.
		{"GET", "/", access.EffectRead, signedIn, s.showHome, false},
		{"GET", "/api/docs", access.EffectRead, signedIn, s.showAPIDocs, false},
		{"GET", "/live", access.EffectRead, signedIn, s.streamFleet, true},
		{"POST", "/views/{view}", access.EffectRead, signedIn, s.changeView, false},
		{"POST", "/views/{view}/delete", access.EffectRead, signedIn, s.deleteView, false},
		{"POST", "/logout", access.EffectRead, signedIn, s.signOut, false},
		{"GET", "/account", access.EffectRead, signedIn, s.showAccount, false},
		{"POST", "/account/password", access.EffectWrite, signedIn, s.changePassword, false},
		{"POST", "/account/sessions/end", access.EffectRead, signedIn, s.endSessions, false},
		{"POST", "/account/tokens", access.EffectWrite, signedIn, s.createToken, false},
		{"POST", "/account/tokens/{token}/revoke", access.EffectWrite, signedIn, s.revokeToken, false},

		// One cluster.
		{"GET", cluster, access.EffectRead, ofCluster, s.showOverview, false},
		{"GET", cluster + "/live", access.EffectRead, ofCluster, s.streamCluster, true},
		{"POST", cluster + "/retry", access.EffectRead, ofCluster, s.retryCluster, false},
		{"GET", cluster + "/apply", access.EffectRead, ofCluster, s.newApply, false},
		{"POST", cluster + "/apply", access.EffectWrite, ofCluster, s.saveApply, false},
		{"GET", cluster + "/operations", access.EffectRead, ofCluster, s.listOperations, false},
		{"GET", cluster + "/operations/{operation}", access.EffectRead, ofCluster, s.showOperation, false},
		{"POST", cluster + "/operations/{operation}/stop", access.EffectWrite, ofCluster, s.stop, false},
		{"GET", cluster + "/history", access.EffectRead, ofCluster, s.listChanges, false},

		// One kind, one object.
		{"GET", kind, access.EffectRead, ofKind, s.listObjects, false},
		{"POST", kind + "/refresh", access.EffectRead, ofKind, s.refreshObjects, false},
		{"GET", kind + "/facet", access.EffectRead, ofKind, s.showFacet, false},
		{"POST", kind + "/columns", access.EffectRead, ofKind, s.saveColumns, false},
		{"POST", kind + "/favourite", access.EffectRead, ofKind, s.setFavourite, false},
		{"POST", kind + "/views", access.EffectRead, ofKind, s.saveView, false},
		{"GET", kind + "/schema", access.EffectRead, ofKind, s.showSchema, false},
		{"GET", kind + "/new", access.EffectRead, ofKind, s.newObject, false},
		{"POST", kind + "/new", access.EffectWrite, ofKind, s.createObject, false},
		{"GET", kind + "/{action}", access.EffectRead, ofKind, s.askBulk, false},
		{"POST", kind + "/{action}", access.EffectWrite, ofKind, s.actBulk, false},
		{"GET", object, access.EffectRead, ofKind, s.ofObject(s.showObject), false},
		{"GET", object + "/pods", access.EffectRead, ofKind, s.ofObject(s.showPods), false},
		{"GET", object + "/rollout", access.EffectRead, ofKind, s.ofObject(s.showRollout), false},
		{"GET", object + "/events", access.EffectRead, ofKind, s.ofObject(s.showEvents), false},
		{"GET", object + "/yaml", access.EffectRead, ofKind, s.ofObject(s.showYAML), false},
		{"GET", object + "/describe", access.EffectRead, ofKind, s.ofObject(s.showDescription), false},
		{"GET", object + "/history", access.EffectRead, ofKind, s.ofObject(s.showHistory), false},
		{"GET", object + "/reveal", access.EffectRead, ofKind, s.askReveal, false},
		{"POST", object + "/reveal", access.EffectReveal, ofKind, s.reveal, false},
		{"GET", object + "/edit", access.EffectRead, ofKind, s.editObject, false},
		{"POST", object + "/edit", access.EffectWrite, ofKind, s.saveObject, false},
		{"GET", object + "/form", access.EffectRead, ofKind, s.showForm, false},
		{"POST", object + "/form", access.EffectWrite, ofKind, s.saveObject, false},
		{"GET", object + "/download", access.EffectRead, ofKind, s.downloadKey, false},
		{"GET", object + "/drain", access.EffectRead, ofKind, s.ofNodes(s.askDrain), false},
		{"POST", object + "/drain", access.EffectWrite, ofKind, s.ofNodes(s.drainNode), false},
		{"GET", object + "/{action}", access.EffectRead, ofKind, s.askAction, false},
		{"POST", object + "/{action}", access.EffectWrite, ofKind, s.act, false},

		// Administration.
		{"GET", "/audit", access.EffectRead, signedIn, s.showAudit, false},
		{"POST", "/audit/verify", access.EffectRead, signedIn, s.verifyAudit, false},
		{"GET", setting, access.EffectRead, signedIn, s.listClusterSettings, false},
		{"GET", setting + "/new", access.EffectRead, signedIn, s.newCluster, false},
		{"POST", setting + "/preview", access.EffectAdmin, signedIn, s.previewClusters, false},
		{"POST", setting, access.EffectAdmin, signedIn, s.createClusters, false},
		{"GET", setting + "/{id}", access.EffectRead, signedIn, s.editCluster, false},
		{"POST", setting + "/{id}", access.EffectAdmin, signedIn, s.updateCluster, false},
		{"POST", setting + "/{id}/test", access.EffectAdmin, signedIn, s.testCluster, false},
		{"POST", setting + "/{id}/default", access.EffectAdmin, signedIn, s.setDefaultCluster, false},
		{"POST", setting + "/{id}/prometheus", access.EffectAdmin, signedIn, s.setPrometheus, false},
		{"POST", setting + "/{id}/prometheus/rediscover", access.EffectAdmin, signedIn, s.rediscover, false},
		{"GET", setting + "/{id}/remove", access.EffectRead, signedIn, s.askRemoveCluster, false},
		{"POST", setting + "/{id}/remove", access.EffectAdmin, signedIn, s.removeCluster, false},
	}
	if !s.cfg.MetricsElsewhere {
		rows = append(rows, route{"GET", "/metrics", access.EffectRead, signedIn, s.showMetrics, false})
	}
	return rows
}

// mount puts every row of the table on the router, behind what its audience needs.
func (s *Server) mount(r chi.Router, rows []route) error {
	for _, row := range rows {
		if row.effect == access.EffectNone || row.who == audienceUnset || row.handle == nil {
			return fmt.Errorf("route %s %s declares no effect, audience or handler", row.method, row.pattern)
		}
		h := http.Handler(s.handle(row.handle))
		switch row.who {
		case ofKind:
			h = s.withCluster(s.withKind(h))
		case ofCluster:
			h = s.withCluster(h)
		default:
		}
		if row.who != anyone {
			h = s.signedIn(h)
		}
		if row.pattern == "/login" || strings.HasPrefix(row.pattern, "/settings/") || row.pattern == "/audit" || strings.HasPrefix(row.pattern, "/account") {
			h = s.headers.Unframed(h) // never in a portal's frame, whatever is configured
		}
		r.Method(row.method, row.pattern, s.declared(row, h))
	}
	return nil
}
