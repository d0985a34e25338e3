package exchange

import (
	"iter"
	"maps"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sessionstate"
)

type Settings struct{}
type Reported struct{ m *map[string]string }

func NewSettings([]sessionstate.Option) (Settings, error) { return Settings{}, nil }
func NewReported(m map[string]string) Reported            { return Reported{&m} }
func (r Reported) All() iter.Seq2[string, string] {
	if r.m == nil {
		return maps.All(map[string]string{})
	}
	return maps.All(*r.m)
}
func (c *Client) SetSettings(Settings)            {}
func (c *Client) Settings() Settings              { return Settings{} }
func (c *Client) SetReported(Reported)            {}
func (s *Server) Settings() Settings              { return Settings{} }
func (s *Server) SetReported(r Reported)          { s.rep = r }
func (s *Server) Reported() Reported              { return s.rep }
func (s *Server) Answered() uint64                { return s.answered }
func (s *Server) Transactions() uint64            { return s.answered }
func (x *Exchange) Tidy(b []byte) []byte          { return b }
func (x *Exchange) Refused() *pgwire.Error        { return nil }
func (x *Exchange) Leave(b []byte) ([]byte, bool) { return b, x.Idle() }
func (x *Exchange) AtRest() bool {
	p := x.client.pin
	x.client.pin = ""
	defer func() { x.client.pin = p }()
	return x.Idle()
}
func (x *Exchange) Busy() bool            { return !x.AtRest() }
func (x *Exchange) BetweenMessages() bool { return x.fromServer.scanner.AtBoundary() }
