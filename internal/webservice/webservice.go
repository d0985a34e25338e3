// Package webservice is the small web service that both the examples and
// `lakebase demo` serve, so that the demonstration shows the code that people
// copy.
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

// healthTimeout is how long a health check waits for the database: shorter
// than the ten seconds after which most platforms give up on the check.
const healthTimeout = 5 * time.Second

// DB is what the service needs of a *pgxpool.Pool.
type DB interface {
	Ping(ctx context.Context) error
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Data is what GET /data answers: who the service is to the database. It
// needs no table, so it works in any database.
type Data struct {
	Database   string    `json:"database"`
	User       string    `json:"user"`
	BackendPID int32     `json:"backend_pid"` // differs between connections of the pool
	Time       time.Time `json:"time"`
}

const dataQuery = `
SELECT current_database() AS database, current_user AS "user",
       pg_backend_pid() AS backend_pid, now() AS time`

// service answers requests from one database.
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

// healthz asks the database, because a service without it can do nothing. A
// prober that calls more often than the endpoint's suspend time-out therefore
// keeps a scale-to-zero endpoint awake: where that costs, probe less often.
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
		return // the client has gone; nobody reads an answer
	}
	s.log.ErrorContext(r.Context(), "request failed",
		"path", r.URL.Path, "error", err, "hint", lakebase.Hint(err))
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
	_ = json.NewEncoder(w).Encode(body) // fails only when the client has gone
}
