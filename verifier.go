package lakebase

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

const (
	// maxVerifications is how many tokens are verified at a time: a flood of invalid
	// ones must not have the workspace limit the requests of the whole program.
	maxVerifications = 16
	// verificationTimeout bounds one call to the workspace.
	verificationTimeout = 30 * time.Second
	// proofAge is the age at which the workspace is asked about a token again, while
	// the former answer holds.
	proofAge = 5 * time.Minute
	// proofRetry is the time between two such questions, if there is no answer.
	proofRetry = 30 * time.Second
	// maxProofAge is how long an answer holds in any case, unless the token expires.
	maxProofAge = time.Hour
	// longestToken bounds a user's token, in bytes. Servers bound headers to about as
	// much.
	longestToken = 16 << 10
)

// fingerprint stands for a token, which cannot be found from it.
type fingerprint [sha256.Size]byte

// proof is what the workspace has said about a token.
type proof struct {
	user     string
	verified tokencache.Instant
	expires  time.Time // by the local clock; zero if the token does not say
}

// age is the larger of what both clocks show: the one may stand still while the
// machine sleeps, the other may be set back.
func (p proof) age(now tokencache.Instant) time.Duration {
	return max(now.Wall.Sub(p.verified.Wall), now.Mono-p.verified.Mono)
}

// holds reports whether p can be relied on without another question.
func (p proof) holds(now tokencache.Instant) bool {
	return p.user != "" && p.age(now) < maxProofAge && (p.expires.IsZero() || now.Wall.Before(p.expires))
}

// verifier asks the workspace who the owner of a token is. Nothing that a token or a
// header says by itself counts. It is safe for concurrent use.
type verifier struct {
	workspace *workspace.Client
	clock     func() tokencache.Instant
	slots     *semaphore.Weighted
	closing   context.Context // ends with the verifier
	cancel    context.CancelFunc
	work      sync.WaitGroup

	mu    sync.Mutex
	calls map[fingerprint]*verification // in progress
}

// verification is one call, for all requests with the token.
type verification struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	proof   proof // with err, written before done is closed
	err     error
}

func newVerifier(client *workspace.Client, clock func() tokencache.Instant) *verifier {
	v := &verifier{workspace: client, clock: clock, slots: semaphore.NewWeighted(maxVerifications), calls: map[fingerprint]*verification{}}
	v.closing, v.cancel = context.WithCancel(context.Background())
	return v
}

// close ends the calls in progress and waits for them.
func (v *verifier) close() {
	v.mu.Lock()
	v.cancel()
	v.mu.Unlock()
	v.work.Wait()
}

// verify asks about a token once. Callers with the same token share the call, which
// ends when none of them waits any more.
func (v *verifier) verify(ctx context.Context, token string, print fingerprint) (proof, error) {
	v.mu.Lock()
	if v.closing.Err() != nil {
		v.mu.Unlock()
		return proof{}, ErrClosed
	}
	call := v.calls[print]
	if call == nil {
		call = v.start(token, print)
	}
	call.waiters++
	v.mu.Unlock()

	select {
	case <-call.done:
		return call.proof, call.err
	case <-ctx.Done():
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if call.waiters--; call.waiters == 0 {
		call.cancel()
		v.end(call, print)
	}
	return proof{}, context.Cause(ctx)
}

func (v *verifier) start(token string, print fingerprint) *verification {
	ctx, cancel := context.WithTimeout(v.closing, verificationTimeout)
	call := &verification{cancel: cancel, done: make(chan struct{})}
	v.calls[print] = call
	v.work.Go(func() {
		defer cancel()
		call.proof, call.err = v.ask(ctx, token)
		close(call.done)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.end(call, print)
	})
	return call
}

// end removes a call, unless another one has come in its place.
func (v *verifier) end(call *verification, print fingerprint) {
	if v.calls[print] == call {
		delete(v.calls, print)
	}
}

func (v *verifier) ask(ctx context.Context, token string) (proof, error) {
	if err := v.slots.Acquire(ctx, 1); err != nil {
		return proof{}, err
	}
	defer v.slots.Release(1)
	client := v.workspace.OnBehalf(func() string { return token })
	asked := v.clock()
	me, err := client.Identity(ctx)
	if err != nil {
		return proof{}, err
	}
	if err := checkIdentifier(me.Name); err != nil {
		return proof{}, badValue(ofUser, me.Name, err)
	}
	expires := workspace.ClaimsOf(token).Expiry()
	if skew, known := client.Skew(); known && !expires.IsZero() {
		expires = expires.Add(skew)
	}
	return proof{user: me.Name, verified: asked, expires: expires}, nil
}

// verifyPause is the time before another attempt to verify a token. Its jitter is
// full, as all users may wait for the same workspace.
func verifyPause(err error) time.Duration {
	var call *workspace.Error
	errors.As(err, &call)
	if call != nil && call.RetryAfter > 0 {
		return call.RetryAfter
	}
	return 100*time.Millisecond + rand.N(maxLookupPause-100*time.Millisecond)
}

// ofUser is the resource of errors about a user's token.
const ofUser = "the user's token"

var errNoUserToken = &Error{Kind: KindWorkspaceAuth, Resource: ofUser, Message: "is missing",
	Hint: "give the app user authorization with the scope postgres: its requests then have the user's token in the header x-forwarded-access-token; what is no request of a user belongs to the app's own pool"}

// fingerprintOf refuses what cannot be a token, without a call to the workspace.
func fingerprintOf(token string) (fingerprint, error) {
	switch {
	case token == "":
		return fingerprint{}, errNoUserToken
	case len(token) > longestToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fingerprint{}, &Error{Kind: KindWorkspaceAuth, Resource: ofUser, Message: "is not a token",
			Hint: "pass the value of the header x-forwarded-access-token alone, without \"Bearer\""}
	}
	return sha256.Sum256([]byte(token)), nil
}

// refusesToken reports whether the workspace refused the token of a call, rather than
// what the call asked for. The service answers with 403 to some invalid tokens.
func refusesToken(err error) bool {
	var e *Error
	var call *workspace.Error
	if errors.As(err, &e) || !errors.As(err, &call) { // an Error is about a lookup by the app
		return false
	}
	return call.Status == http.StatusUnauthorized ||
		call.Status == http.StatusForbidden && containsAny(call.Message)("invalid access token", "invalid token", "token is expired", "token has expired", "expired token")
}

// userError turns a failed call with the token of a user into an [Error]. user is
// empty if the call was to verify the token.
func userError(err error, user, target string) error {
	var call *workspace.Error
	if e := (*Error)(nil); errors.As(err, &e) || !errors.As(err, &call) || call.Status == 0 {
		return workspaceError(err, target)
	}
	has := containsAny(call.Message)
	denied := call.Status == http.StatusForbidden && !has("network access", "ip acl", "ip access list")
	e := &Error{Resource: ofUser, Err: err}
	switch {
	case denied && has("scope"):
		e.Kind, e.Message = KindPermissionDenied, "lacks a scope"
		e.Hint = "give the app user authorization with the scope postgres; each user then has to consent again"
	case denied && user == "", refusesToken(err):
		e.Kind, e.Message = KindWorkspaceAuth, "is refused by the workspace"
		e.Hint = "it has expired, was revoked, or is of another workspace: pass on the header x-forwarded-access-token of each request, and have the user reload the page"
	case denied:
		e.Kind, e.Resource, e.Message = KindPermissionDenied, target, user+" may not use it"
		e.Hint = "have its owner grant \"Can use\" to the user"
	default:
		return workspaceError(err, target)
	}
	return e
}
