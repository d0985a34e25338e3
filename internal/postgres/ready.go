//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	readyInterval = 2 * time.Millisecond
	probeTimeout  = 5 * time.Second
)

var errNotReady = errors.New("PostgreSQL is starting")

// awaitReady returns when the server accepts logins, or has exited.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.child.done:
			return errors.New("PostgreSQL has exited")
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not become ready: %w; its log: %s", context.Cause(ctx), s.log.tail())
		case <-tick.C:
		}
		if err := s.probe(ctx); !errors.Is(err, errNotReady) {
			return err
		}
	}
}

// probe begins a login. Any authentication request means that the server is
// ready; cannot_connect_now means that it is not.
func (s *Server) probe(ctx context.Context) error {
	conn, err := s.Dial(ctx)
	if err != nil {
		return errNotReady
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(probeTimeout))
	frontend := pgproto3.NewFrontend(conn, conn)
	frontend.Send(&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters:      map[string]string{"user": Admin, "database": "postgres"},
	})
	if err := frontend.Flush(); err != nil {
		return errNotReady
	}
	answer, err := frontend.Receive()
	if err != nil {
		return errNotReady
	}
	switch answer := answer.(type) {
	case pgproto3.AuthenticationResponseMessage:
		frontend.Send(&pgproto3.Terminate{})
		frontend.Flush() // only a courtesy
		return nil
	case *pgproto3.ErrorResponse:
		if answer.Code == "57P03" {
			return errNotReady
		}
		return fmt.Errorf("PostgreSQL refuses %s: %s (SQLSTATE %s)", Admin, answer.Message, answer.Code)
	default:
		return fmt.Errorf("PostgreSQL answers a login with %T", answer)
	}
}
