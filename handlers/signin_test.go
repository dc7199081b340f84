package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tiga/access"
	"tiga/db"
)

// signsIn says whether the browser is somebody.
func (v *visitor) signsIn() bool {
	v.k.t.Helper()
	return v.get("/account").status == http.StatusOK
}

// carrying is another browser with the same session cookie.
func (v *visitor) carrying(id string) *visitor {
	other := v.k.anonymous()
	other.setCookie(v.k.Server.site.SessionCookieName(), id)
	return other
}

func TestA04_AnIdFromBeforeIsNeverPromoted(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	planted, _ := access.NewSecret()
	v := k.anonymous()
	v.setCookie("tiga", planted)
	if v.signsIn() {
		t.Fatal("a planted id counts as a session")
	}
	v.post("/login", url.Values{"username": {admin}, "password": {password}}).want(http.StatusSeeOther)
	if v.session() == planted || v.session() == "" {
		t.Errorf("the id after the sign-in is %q", v.session())
	}
	if !v.signsIn() {
		t.Error("signing in does not sign in")
	}
	if v.carrying(planted).signsIn() {
		t.Error("the planted id was promoted")
	}
	// A second sign-in in the same browser leaves nothing of the first id either, and no id is given twice.
	first := v.session()
	v.post("/login", url.Values{"username": {admin}, "password": {password}}).want(http.StatusSeeOther)
	if v.session() == first {
		t.Error("two sign-ins have one id")
	}
	// Two session cookies: one was planted, and which cannot be told.
	r := k.anonymous().get("/account", "Cookie", "tiga="+v.session()+"; tiga="+planted)
	if r.status != http.StatusSeeOther {
		t.Errorf("two session cookies: %d", r.status)
	}
}

func TestA04_TheIdChangesWithTheRights(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.signIn(admin)
	before := v.session()
	v.get("/")
	if v.session() != before {
		t.Error("the id changes without a reason")
	}
	// A change of rights.
	v.json(http.MethodPut, fmt.Sprintf("%s/clusters/%d", apiRoot, k.stagingID), `{"read_only":true}`).want(http.StatusOK)
	v.get("/").want(http.StatusOK)
	after := v.session()
	if after == before {
		t.Error("the id is the same after the rights have changed")
	}
	if !v.carrying(before).signsIn() {
		t.Error("a request that was under way is signed out at once")
	}
	k.clock.add(sessionOverlap)
	if v.carrying(before).signsIn() {
		t.Error("the id of before counts after the overlap")
	}
	// An hour.
	for range 3 {
		k.clock.add(25 * time.Minute)
		v.get("/").want(http.StatusOK)
	}
	if v.session() == after {
		t.Error("the id is the same after an hour")
	}
	// Idle for too long.
	k.clock.add(sessionIdle + time.Second)
	if v.signsIn() {
		t.Error("a session that was idle counts")
	}
}

func TestA04_ASessionHasAnEnd(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	v := k.as(admin)
	for range 36 {
		k.clock.add(20*time.Minute - 2*time.Second)
		v.get("/")
	}
	k.clock.add(5 * time.Minute)
	if v.signsIn() {
		t.Error("a session that is used lives for ever")
	}
}

func TestA04_SessionsEnd(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	sessions := func(name string) []db.Session {
		rows, err := k.store.Read().SessionsOfUser(t.Context(), k.users[name].ID)
		k.must(err)
		return rows
	}
	t.Run("by signing out", func(t *testing.T) {
		v, other := k.as(viewer), k.as(viewer)
		id := v.session()
		r := v.post("/logout", nil).want(http.StatusSeeOther)
		if cookie := r.header.Get("Set-Cookie"); !strings.Contains(cookie, "Max-Age=0") {
			t.Errorf("the cookie is not taken back: %q", cookie)
		}
		if v.carrying(id).signsIn() || !other.signsIn() {
			t.Error("signing out ends this session and no other")
		}
	})
	t.Run("everywhere", func(t *testing.T) {
		v, other, stranger := k.as(operator), k.as(operator), k.as(viewer)
		v.post("/account/sessions/end", url.Values{"all": {"1"}}).want(http.StatusSeeOther)
		if v.signsIn() || other.signsIn() || len(sessions(operator)) != 0 {
			t.Error("a session is left")
		}
		if !stranger.signsIn() {
			t.Error("somebody else is signed out")
		}
	})
	t.Run("one of them", func(t *testing.T) {
		other := k.as(operator)
		id := sessions(operator)[0].ID
		v := k.as(operator)
		v.post("/account/sessions/end", url.Values{"session": {fmt.Sprint(id)}}).want(http.StatusSeeOther)
		if other.signsIn() || !v.signsIn() {
			t.Error("another session than the chosen one ended")
		}
		// Somebody else's cannot be ended.
		mine := k.as(keeper)
		v.post("/account/sessions/end", url.Values{"session": {fmt.Sprint(sessions(keeper)[0].ID)}}).want(http.StatusNotFound)
		if !mine.signsIn() {
			t.Error("a session of somebody else was ended")
		}
	})
	t.Run("with the password", func(t *testing.T) {
		v, other := k.as(keeper), k.as(keeper)
		const fresh = "another battery, horse correct"
		v.post("/account/password", url.Values{"current": {password}, "password": {fresh}, "again": {fresh}}).want(http.StatusSeeOther)
		if other.signsIn() || !v.signsIn() {
			t.Error("a change of the password ends every other session")
		}
		k.anonymous().post("/login", url.Values{"username": {keeper}, "password": {password}}).want(http.StatusUnauthorized)
		k.anonymous().post("/login", url.Values{"username": {keeper}, "password": {fresh}}).want(http.StatusSeeOther)
	})
	t.Run("with the user", func(t *testing.T) {
		v, token := k.as(viewer), k.withToken(viewer, access.RoleViewer)
		if !token.signsIn() {
			t.Fatal("the token does not count")
		}
		k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
			_, err := q.DisableUser(t.Context(), k.users[viewer].ID, k.now().UnixMicro())
			return err
		}))
		// A session that was being made at that moment counts for nothing either.
		if late := k.as(viewer); v.signsIn() || token.signsIn() || late.signsIn() {
			t.Error("a disabled user is still in")
		}
		k.anonymous().post("/login", url.Values{"username": {viewer}, "password": {password}}).want(http.StatusUnauthorized)
	})
}

// TestAccountFormsSayWhatIsWrong proves that a password is changed only by who knows the present one, and well.
func TestAccountFormsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	before := k.tables()
	const fresh = "another battery, horse correct"
	for name, c := range map[string]struct{ current, fresh, again, says string }{
		"wrong current": {"no", fresh, fresh, "not the present password"},
		"short":         {password, "short", "short", "15"},
		"same":          {password, password, password, "other than the present"},
		"differs":       {password, fresh, fresh + "x", "differ"},
	} {
		t.Run(name, func(t *testing.T) {
			k.clock.add(time.Hour)
			k.as(admin).post("/account/password", url.Values{"current": {c.current}, "password": {c.fresh}, "again": {c.again}}).
				want(http.StatusUnprocessableEntity, c.says)
		})
	}
	v := k.as(admin)
	v.post("/account/tokens", url.Values{"name": {" "}, "role": {"viewer"}, "expires": {"7"}}).want(http.StatusUnprocessableEntity, "a name")
	v.post("/account/tokens", url.Values{"name": {"ci"}, "role": {"emperor"}, "expires": {"7"}}).want(http.StatusUnprocessableEntity, "no such role", `value="ci"`)
	v.post("/account/tokens", url.Values{"name": {"ci"}, "role": {"viewer"}, "expires": {"3650"}}).want(http.StatusBadRequest)
	if withoutFailures(before) != withoutFailures(k.tables()) {
		t.Error("a form with mistakes changed the database")
	}
}

// withoutFailures leaves out the failed sign-ins.
func withoutFailures(tables string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(tables, "\n"), func(line string) bool { return strings.HasPrefix(line, "login_failures.") }), "\n")
}

func TestTokensAreShownOnceScopedAndRevoked(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	page := v.post("/account/tokens", url.Values{"name": {"ci"}, "role": {access.RoleViewer}, "expires": {"7"}}).want(http.StatusOK)
	secret := textOf(elements(page.doc(), "code", "", "")[0])
	if !access.IsToken(secret) {
		t.Fatalf("the token is %q", secret)
	}
	if strings.Contains(v.get("/account").body, secret) || strings.Contains(k.tables(), secret) {
		t.Error("the token is kept")
	}
	program := k.anonymous()
	program.token, program.bare = secret, true
	program.get(apiRoot+"/clusters").want(http.StatusOK, "production")
	one := fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID)
	// The administrator's token is cut to reading.
	program.json(http.MethodPut, one, `{"environment":"x"}`).want(http.StatusForbidden)
	// A role above the owner's gives nothing.
	high := k.withToken(viewer, access.RoleAdmin)
	high.json(http.MethodPut, one, `{"environment":"x"}`).want(http.StatusForbidden)
	revoke := ""
	for _, a := range posts(page1(v, "/account")) {
		if strings.HasSuffix(a, "/revoke") {
			revoke = a
		}
	}
	// Somebody else's token is not there.
	k.as(viewer).post(revoke, nil).want(http.StatusNotFound)
	program.get(apiRoot + "/clusters").want(http.StatusOK)
	v.post(revoke, nil).want(http.StatusSeeOther)
	program.get(apiRoot+"/clusters").want(http.StatusUnauthorized, `"reason":"signed_out"`)
	// Expiry.
	late := k.withToken(admin, access.RoleAdmin)
	k.clock.add(25 * time.Hour)
	late.get(apiRoot + "/clusters").want(http.StatusUnauthorized)
}

// page1 is one page, ready for posts.
func page1(v *visitor, path string) page {
	r := v.get(path)
	return page{path, r, r.doc()}
}

func TestA05_CredentialsInTheAddressAreIgnored(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	token, session := k.withToken(admin, access.RoleAdmin).token, k.as(admin).session()
	k.anonymous().get(apiRoot+"/clusters", "Authorization", "Bearer "+token).want(http.StatusOK)
	q := url.Values{}
	for _, key := range []string{"token", "jwt", "auth_token", "access_token", "api_key", "authorization", "bearer"} {
		q.Set(key, token)
	}
	q.Set("tiga", session)
	q.Set("session", session)
	matrix := rightsMatrix(k)
	for _, row := range k.table {
		if row.who == anyone {
			continue
		}
		probes := matrix[row.method+" "+row.pattern]
		if len(probes) == 0 {
			t.Errorf("%s %s has no row in the matrix", row.method, row.pattern)
			continue
		}
		p := probes[0]
		p.path, _, _ = strings.Cut(p.path, "?")
		p.path += "?" + q.Encode()
		if r := sendProbe(k.anonymous(), row.method, p); r.status != http.StatusSeeOther && r.status != http.StatusUnauthorized {
			t.Errorf("%s %s: %d with credentials in the address", row.method, row.pattern, r.status)
		} else if r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s: a cookie for credentials in the address", row.method, row.pattern)
		}
	}
	if log := k.log.String(); strings.Contains(log, token) || strings.Contains(log, session) {
		t.Error("credentials of an address are in the log")
	}
}

func TestA05_CookieFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		external, cookie string
		secure           bool
	}{"http on loopback": {"", "tiga", false}, "https": {"https://tiga.example.com", "__Host-tiga", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, kitConfig{empty: true, external: c.external})
			headers := []string{}
			if c.secure {
				headers = []string{"Host", "tiga.example.com", "Origin", "https://tiga.example.com"}
			}
			r := k.anonymous().post("/login", url.Values{"username": {admin}, "password": {password}}, headers...).want(http.StatusSeeOther)
			cookies := (&http.Response{Header: r.header}).Cookies()
			if len(cookies) != 1 {
				t.Fatalf("%d cookies", len(cookies))
			}
			got := cookies[0]
			if got.Name != c.cookie || !got.HttpOnly || got.Secure != c.secure || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
				t.Errorf("the cookie is %s", r.header.Get("Set-Cookie"))
			}
			if !access.IsSecret(got.Value) {
				t.Errorf("the id %q has not 256 random bits", got.Value)
			}
			taste := k.anonymous().post("/preferences", url.Values{"theme": {"dark"}, "language": {"zh-CN"}}, headers...)
			for _, got := range (&http.Response{Header: taste.header}).Cookies() {
				if got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode {
					t.Errorf("a preference is kept in %+v", got)
				}
			}
			if hsts := r.header.Get("Strict-Transport-Security"); (hsts != "") != c.secure {
				t.Errorf("Strict-Transport-Security is %q", hsts)
			}
		})
	}
}

func TestA07_FailuresAreDelayedAndTellNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	try := func(name, word string) *reply {
		k.clock.add(-300 * time.Millisecond) // time stands still
		return k.anonymous().post("/login", url.Values{"username": {name}, "password": {word}})
	}
	// Known and unknown names meet the same answers, to the letter of the page but for the name itself.
	for i := range 5 {
		known, unknown := try(admin, "wrong"), try("adnim", "wrong")
		if known.status != unknown.status || known.header.Get("Retry-After") != unknown.header.Get("Retry-After") {
			t.Errorf("attempt %d: %d and %d", i, known.status, unknown.status)
		}
		if a, b := known.text(), unknown.text(); a != b {
			t.Errorf("attempt %d: the pages differ: %s / %s", i, a, b)
		}
		want := http.StatusUnauthorized
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		if known.status != want {
			t.Errorf("attempt %d: %d, want %d", i, known.status, want)
		}
		if i < 3 {
			known.want(want, "name or the password is wrong")
		} else if known.header.Get("Retry-After") == "" || known.header.Get("Retry-After") == "0" {
			t.Errorf("attempt %d: Retry-After is %q", i, known.header.Get("Retry-After"))
		}
	}
	// While it lasts, the right password does not help; then it does. The delay is no lock.
	try(admin, password).want(http.StatusTooManyRequests)
	k.clock.add(2 * time.Second)
	try(admin, password).want(http.StatusSeeOther)
	// The failures are in the store, where a restart and other replicas find them, and under no readable name.
	if tables := k.tables(); strings.Count(tables, "login_failures.bucket=account:") != 1 || strings.Contains(tables, "adnim") {
		t.Errorf("the failures in the store are wrong: %s", tables)
	}
	// A disabled user is like one who is not there.
	k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
		_, err := q.DisableUser(t.Context(), k.users[viewer].ID, k.now().UnixMicro())
		return err
	}))
	if a, b := try(viewer, password), try("vewer", password); a.status != b.status || a.text() != b.text() {
		t.Error("a disabled user can be told from one who is not there")
	}
	// Every failure is in the audit log, and no password is.
	denied := k.audit(db.AuditFilter{Result: db.ResultDenied, Resource: "sessions", Actor: admin})
	if len(denied) != 6 {
		t.Errorf("%d failures of admin are in the audit log, want 6", len(denied))
	}
	for _, line := range denied {
		if line.ClientIP != "127.0.0.1" || line.Verb != "create" || line.HTTPStatus < 400 || line.Reason == "" {
			t.Errorf("the audit row is %+v", line.AuditEvent)
		}
	}
	if ok := k.audit(db.AuditFilter{Result: db.ResultOK, Resource: "sessions", Actor: admin}); len(ok) != 1 {
		t.Errorf("%d sign-ins of admin are in the audit log", len(ok))
	}
}

func TestA07_ManyNamesFromOneAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	statuses := map[int]int{}
	var last *reply
	for i := range 24 {
		k.clock.add(-300 * time.Millisecond) // time stands still
		// A forwarded address that nobody vouches for makes no other client.
		last = k.anonymous().post("/login", url.Values{"username": {fmt.Sprint("user", i)}, "password": {"x"}}, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		statuses[last.status]++
	}
	if statuses[http.StatusUnauthorized] != 20 || statuses[http.StatusTooManyRequests] != 4 {
		t.Errorf("24 names from one address: %v", statuses)
	}
	if last.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestA07_TooManyRequestsSayWhenToComeBack(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	v := k.as(admin)
	refused := 0
	for range 30 {
		k.clock.add(-300 * time.Millisecond) // the clock stands still
		if r := v.post("/preferences", url.Values{"theme": {"dark"}}); r.status == http.StatusTooManyRequests {
			refused++
			if r.header.Get("Retry-After") == "" || r.header.Get("Retry-After") == "0" {
				t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
			}
		}
	}
	if refused != 10 {
		t.Errorf("%d of 30 changes at once were refused, want 10", refused)
	}
	k.as(admin).post("/preferences", url.Values{"theme": {"dark"}}).want(http.StatusSeeOther) // another session is not concerned
}

func TestSignInStartsWithTheOneTimePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	hash, err := passwordHash()
	k.must(err)
	k.anonymous().get("/login").want(http.StatusOK, "one-time password")
	k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
		_, err := q.CreateUser(context.WithoutCancel(t.Context()), db.CreateUserParams{Name: "first", PasswordHash: db.NewSecret(hash), MustChangePassword: true, Now: k.now().UnixMicro()})
		return err
	}))
	r := k.anonymous().post("/login", url.Values{"username": {"first"}, "password": {password}}).want(http.StatusSeeOther)
	if got := r.header.Get("Location"); got != "/account" {
		t.Errorf("with a one-time password the sign-in leads to %s", got)
	}
	if strings.Contains(k.anonymous().get("/login").text(), "one-time password") {
		t.Error("after the first sign-in the page still speaks of the one-time password")
	}
}
