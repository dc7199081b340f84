package handlers

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kubetest"
)

// credentialChange is a form that changes who or what can sign in.
type credentialChange struct {
	name string
	page string // where its form stands; "" for a button without fields
	post string
	form url.Values
	kept []string // what the form holds when it comes back
	done func(r *reply) bool
}

// credentialChanges are all of them, for an administrator who has a token.
func credentialChanges(k *kit, token int64, file, other []byte) []credentialChange {
	redirected := func(r *reply) bool { return r.status == http.StatusSeeOther }
	return []credentialChange{
		{
			"add a cluster", "", "/settings/clusters",
			url.Values{"kubeconfig": {string(file)}, "use.0": {"1"}, "name.0": {"new-one"}, "environment.0": {"my-label"}},
			[]string{`value="new-one"`, `value="my-label"`, "current-context"},
			func(r *reply) bool { return r.status == http.StatusOK && strings.Contains(r.text(), "Added") },
		},
		{
			"credentials of a cluster", settingPath(k.stagingID), settingPath(k.stagingID),
			url.Values{"kubeconfig": {string(other)}, "name": {"staging-new"}, "enabled": {"1"}, "environment": {"other-label"}},
			[]string{`value="staging-new"`, `value="other-label"`, "current-context"},
			redirected,
		},
		{
			"make a token", "/account", "/account/tokens",
			url.Values{"name": {"made"}, "role": {access.RoleOperator}, "expires": {"90"}},
			[]string{`value="made"`},
			func(r *reply) bool { return r.status == http.StatusOK && strings.Contains(r.body, access.TokenPrefix) },
		},
		{"revoke a token", "", fmt.Sprintf("/account/tokens/%d/revoke", token), url.Values{}, []string{"Revoke token of admin?"}, redirected},
	}
}

// asksForPassword is the message at the page's field for the password; ok is whether there is one.
func asksForPassword(r *reply) (message string, ok bool) {
	for _, f := range elements(r.doc(), "input", "name", proofField) {
		if attribute(f, "type") != "password" || attribute(f, "autocomplete") != "current-password" {
			continue
		}
		if id := attribute(f, "aria-describedby"); id != "" {
			for part := range strings.FieldsSeq(id) {
				for _, n := range elements(r.doc(), "", "id", part) {
					message += textOf(n)
				}
			}
		}
		ok = true
	}
	return message, ok
}

func TestA04_CredentialsAreChangedWithinFiveMinutesOfThePassword(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		k := newKit(t, kitConfig{})
		k.withToken(admin, access.RoleViewer)
		tokens, err := k.store.Read().TokensOfUser(t.Context(), k.users[admin].ID)
		k.must(err)
		added, other := kubetest.New(t, kubetest.Options{}), kubetest.New(t, kubetest.Options{})
		c := credentialChanges(k, tokens[0].ID, added.Kubeconfig(), other.Kubeconfig())[i]
		t.Run(c.name, func(t *testing.T) {
			v := k.signIn(admin)
			if c.page != "" {
				if _, asks := asksForPassword(v.get(c.page)); asks {
					t.Error("the password is asked for right after the sign-in")
				}
			}
			k.clock.add(proofLife)
			before, changes := withoutFailures(k.tables()), len(added.Requests())+len(other.Requests())
			if c.page != "" {
				if _, asks := asksForPassword(v.get(c.page)); !asks {
					t.Error("the form does not ask for the password")
				}
			}
			refused := func(r *reply, says string) {
				t.Helper()
				r.want(http.StatusUnprocessableEntity, c.kept...)
				if message, asks := asksForPassword(r); !asks || !strings.Contains(message, says) {
					t.Errorf("the form asks %v with %q, want %q", asks, message, says)
				}
				if strings.Contains(r.body, "not my password") {
					t.Error("the password came back with the form")
				}
			}
			refused(v.post(c.post, c.form), "type it again")
			// A password in the address is none.
			refused(v.post(c.post+"?proof="+url.QueryEscape(password), c.form), "type it again")
			wrong := withValue(c.form, proofField, "not my password")
			refused(v.post(c.post, wrong), "not your password")
			if after := withoutFailures(k.tables()); after != before {
				t.Errorf("something was changed without the password:\n%s\n%s", before, after)
			}
			if n := len(added.Requests()) + len(other.Requests()); n != changes {
				t.Error("credentials were tried before the password was right")
			}
			denied := k.audit(db.AuditFilter{Result: db.ResultDenied, Resource: "sessions", Verb: "update"})
			if len(denied) != 1 || denied[0].ActorName != admin || denied[0].Reason != "credentials" {
				t.Errorf("the wrong password stands in the audit log as %+v", denied)
			}
			if !strings.Contains(k.tables(), "login_failures.bucket=account:") {
				t.Error("the wrong password does not count as a failed sign-in")
			}
			old := v.session()
			if r := v.post(c.post, withValue(c.form, proofField, password)); !c.done(r) {
				t.Fatalf("with the password: %d %.500s", r.status, r.text())
			}
			if v.session() == old || v.session() == "" {
				t.Error("the session has the id of before")
			}
			if v.carrying(old).signsIn() {
				t.Error("the id of before still counts: whoever has a copy got what the password opened")
			}
			if !v.signsIn() {
				t.Error("the new id does not count")
			}
			if _, asks := asksForPassword(v.get("/account")); asks {
				t.Error("the password is asked for again at once")
			}
			// It is the store that remembers, for all replicas.
			rows, err := k.store.Read().SessionsOfUser(t.Context(), k.users[admin].ID)
			k.must(err)
			if len(rows) != 1 || k.now().Sub(db.Time(rows[0].StepUpAt)) > time.Minute {
				t.Errorf("the sessions in the store are %+v", rows)
			}
		})
	}
}

// withValue is a form with one more value.
func withValue(form url.Values, key, value string) url.Values {
	out := url.Values{key: {value}}
	maps.Copy(out, form)
	return out
}

func TestA04_GuessingThePasswordInASessionIsSlowedDown(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	v := k.signIn(admin)
	k.clock.add(proofLife)
	form := url.Values{"name": {"made"}, "role": {access.RoleViewer}, "expires": {"7"}}
	for range 3 {
		v.post("/account/tokens", withValue(form, proofField, "guess")).want(http.StatusUnprocessableEntity)
	}
	r := v.post("/account/tokens", withValue(form, proofField, password)).want(http.StatusTooManyRequests, `value="made"`)
	if message, asks := asksForPassword(r); !asks || !strings.Contains(message, "too many wrong tries") || r.header.Get("Retry-After") == "" {
		t.Errorf("the answer is %q with Retry-After %q", message, r.header.Get("Retry-After"))
	}
	// The sign-in page shares the delay.
	k.anonymous().post("/login", url.Values{"username": {admin}, "password": {password}}).want(http.StatusTooManyRequests)
	k.clock.add(5 * time.Second)
	v.post("/account/tokens", withValue(form, proofField, password)).want(http.StatusOK, access.TokenPrefix)
}

func TestA04_WhatIsNoChangeOfCredentialsAsksForNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.signIn(admin)
	k.clock.add(proofLife)
	v.post(settingPath(k.stagingID), url.Values{"name": {"staging"}, "enabled": {"1"}, "environment": {"test"}}).want(http.StatusSeeOther)
	v.post(settingPath(k.stagingID)+"/default", nil).want(http.StatusSeeOther)
	v.post(fmt.Sprintf("/clusters/%d/deployments.apps/shop/web/scale", k.productionID), url.Values{"replicas": {"4"}}).want(http.StatusSeeOther)
}

func TestA04_ChangingThePasswordCountsAsTypingIt(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	v := k.signIn(admin)
	k.clock.add(proofLife)
	old := v.session()
	const fresh = "another battery, horse correct"
	v.post("/account/password", url.Values{"current": {password}, "password": {fresh}, "again": {fresh}}).want(http.StatusSeeOther)
	if v.session() == old || v.carrying(old).signsIn() {
		t.Error("the session keeps its id over a change of the password")
	}
	v.post("/account/tokens", url.Values{"name": {"made"}, "role": {access.RoleViewer}, "expires": {"7"}}).want(http.StatusOK, access.TokenPrefix)
	// A wrong present password is written down, too.
	v.post("/account/password", url.Values{"current": {"guess"}, "password": {password}, "again": {password}}).want(http.StatusUnprocessableEntity)
	if denied := k.audit(db.AuditFilter{Result: db.ResultDenied, Resource: "sessions", Verb: "update"}); len(denied) != 1 {
		t.Errorf("%d rows of the wrong password", len(denied))
	}
}

// TestA04_TheAPIAsksSessionsButNotTokens proves that a cookie gets no more from the API than from the pages.
func TestA04_TheAPIAsksSessionsButNotTokens(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	s := kubetest.New(t, kubetest.Options{})
	one := fmt.Sprintf("%s/%d", clusters, k.stagingID)
	create, update := body(t, map[string]any{"name": "x", "kubeconfig": encoded(s.Kubeconfig())}), body(t, map[string]any{"kubeconfig": encoded(s.Kubeconfig())})
	v := k.signIn(admin)
	k.clock.add(proofLife)
	v.json(http.MethodPost, clusters, create).problem(http.StatusForbidden, "unproven")
	v.json(http.MethodPut, one, update).problem(http.StatusForbidden, "unproven")
	if n := len(s.Requests()); n != 0 {
		t.Errorf("the server saw %d requests", n)
	}
	v.json(http.MethodPut, one, `{"environment":"qa"}`).want(http.StatusOK)
	program := k.withToken(admin, access.RoleAdmin)
	program.json(http.MethodPost, clusters, create).want(http.StatusCreated)
	k.signIn(admin).json(http.MethodPut, one, body(t, map[string]any{"environment": "x"})).want(http.StatusOK)
}

func TestA15_ReadOnlyAccountOffersNoTokens(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{readOnly: true, empty: true})
	k.withToken(admin, access.RoleViewer)
	for _, action := range posts(page1(k.as(admin), "/account")) {
		if strings.HasPrefix(action, "/account/tokens") || action == "/account/password" {
			t.Errorf("the account offers %s in read-only mode", action)
		}
	}
	k.as(admin).get("/account").want(http.StatusOK, "of admin", `href="/api/docs"`)
}
