// Package webservice is the web service of `lakebase demo`. It is the same as
// examples/webservice/handler.go, so that the demo runs the code that people copy.
package webservice

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
)

// healthTimeout bounds a health check: below the ten seconds after which most
// platforms end it.
const healthTimeout = 5 * time.Second

// DB is what the service needs of a *pgxpool.Pool.
type DB interface {
	Ping(ctx context.Context) error
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Data is the reply to GET /data. It needs no table, so it works in any database.
type Data struct {
	Database   string    `json:"database"`
	User       string    `json:"user"`
	BackendPID int32     `json:"backend_pid"` // differs between connections of the pool
	Time       time.Time `json:"time"`
}

const dataQuery = `
SELECT current_database() AS database, current_user AS "user",
       pg_backend_pid() AS backend_pid, now() AS time`

// service serves requests from one database.
type service struct {
	db  DB
	log *slog.Logger
}

// Handler serves GET /data and GET /healthz from db. Each query ends when its
// request does. Failures are logged with their hint and reach the client as
// 503 where trying again can help, else as 500, without detail.
func Handler(db DB, log *slog.Logger) http.Handler {
	s := &service{db: db, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /data", s.data)
	mux.HandleFunc("GET /healthz", s.healthz)
	return mux
}

func (s *service) data(w http.ResponseWriter, r *http.Request) {
	rows, err := s.db.Query(r.Context(), dataQuery)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	data, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Data])
	if err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, data)
}

// healthz pings the database, because the service is useless without it. Probes
// that come more often than the endpoint's suspend timeout therefore keep a
// scale-to-zero endpoint awake: where that costs, probe less often.
func (s *service) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	if err := s.db.Ping(ctx); err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has disconnected
	}
	log := s.log.With("path", r.URL.Path, "error", err)
	if hint := lakebase.Hint(err); hint != "" {
		log = log.With("hint", hint)
	}
	log.ErrorContext(r.Context(), "request failed")
	status := http.StatusInternalServerError
	if lakebase.Retryable(err) {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, map[string]string{"error": http.StatusText(status)})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has disconnected
}
