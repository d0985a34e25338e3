package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
)

func handler(users *lakebase.Users, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /notes", forUser(users, log, listNotes))
	mux.Handle("POST /notes", forUser(users, log, addNote))
	return mux
}

// userHandler answers a request with the pool of its user.
type userHandler func(w http.ResponseWriter, r *http.Request, pool *lakebase.UserPool) error

// forUser has next answer with the pool of the request's user. An error of either is
// logged with its hint, and reaches the client as a status and a sentence.
func forUser(users *lakebase.Users, log *slog.Logger, next userHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pool, err := users.Pool(r.Context(), r.Header.Get("X-Forwarded-Access-Token"))
		if err == nil {
			defer pool.Close()
			err = next(w, r, pool)
		}
		if err == nil || r.Context().Err() != nil { // the client has gone
			return
		}
		log.Error("request failed", "path", r.URL.Path, "error", err, "hint", lakebase.Hint(err))
		status, text := explain(err)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, text, status)
	})
}

// insufficientPrivilege is the SQLSTATE of a statement that the user may not run.
const insufficientPrivilege = "42501"

// explain tells the client what it can do about an error.
func explain(err error) (status int, text string) {
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == insufficientPrivilege:
		return http.StatusForbidden, "Your role in the database may not do that. Ask its owner for the privilege."
	case lakebase.Retryable(err):
		return http.StatusServiceUnavailable, "The database is not available at the moment. Try again."
	case errors.Is(err, lakebase.KindWorkspaceAuth):
		return http.StatusUnauthorized, "Your session has ended. Reload the page."
	case errors.Is(err, lakebase.KindRoleMissing), errors.Is(err, lakebase.KindTokenRejected):
		return http.StatusForbidden, "You have no role in the database yet. Ask its owner to run: lakebase roles create YOUR-EMAIL"
	case errors.Is(err, lakebase.KindPermissionDenied):
		return http.StatusForbidden, "You may not use the database. Ask its owner for the permission \"Can use\"."
	}
	return http.StatusInternalServerError, "Something went wrong."
}

// note is one note of the user.
type note struct {
	Text  string    `json:"text"`
	Added time.Time `json:"added"`
}

// listNotes needs no condition on the owner: the policy of the table is one.
func listNotes(w http.ResponseWriter, r *http.Request, pool *lakebase.UserPool) error {
	rows, err := pool.Query(r.Context(), "SELECT text, added FROM notes.note ORDER BY added")
	if err != nil {
		return err
	}
	notes, err := pgx.CollectRows(rows, pgx.RowToStructByName[note])
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{"user": pool.User(), "notes": notes})
}

func addNote(w http.ResponseWriter, r *http.Request, pool *lakebase.UserPool) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "The note is too long.", http.StatusRequestEntityTooLarge)
		return nil
	}
	if _, err := pool.Exec(r.Context(), "INSERT INTO notes.note (text) VALUES ($1)", strings.ToValidUTF8(string(text), "?")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}
