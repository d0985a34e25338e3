package proxy

import (
	"errors"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// errTold is for a client that has been told why it ends.
var errTold = errors.New("told")

// join logs c in to the pool of r.
func (c *client) join(r route, startup *pgwire.Startup) (*pooled, error) {
	settings, err := startupSettings(startup)
	if err != nil {
		return nil, &pgwire.Error{Code: "22023", Message: err.Error()}
	}
	p, err := c.server.pool(r)
	if err != nil {
		return nil, err
	}
	c.pool = p
	t := &pooled{client: c, state: txpool.NewClient(&p.statements)}
	t.state.SetSettings(settings)
	c.SetDeadline(time.Time{})           // before drain and force can set one
	t.asked.Store(time.Now().UnixNano()) // or it would count as silent since long ago
	if !c.settle(t) {
		return nil, errShuttingDown()
	}
	reported, ok := p.welcome(settings)
	if !ok {
		if reported, err = t.introduce(); err != nil {
			t.leave("login")
			return nil, err
		}
		p.remember(settings, reported)
	}
	t.state.SetReported(reported)
	var key cancelKey
	key, c.forgetKey = c.server.cancels.add(c.version, t, 0)
	c.id.Store(key.pid)
	c.out = appendWelcome(c.out, c.greeted, reported.All(), key)
	c.out = pgwire.AppendReadyForQuery(c.out, pgwire.TxIdle)
	c.greeted = true
	if err := c.flush(); err != nil {
		t.leave("client gone")
		return nil, err
	}
	return t, nil
}

// introduce learns from a server connection what a client with c's settings
// is to be told, and that the server takes those settings.
func (c *pooled) introduce() (txpool.Reported, error) {
	c.joining = true
	if reason := c.forward(nil); reason != "" {
		return txpool.Reported{}, errTold
	}
	c.joining = false
	return c.introduced, nil
}

// startupSettings are the settings that a client asks for as it connects. Of
// two for the same name the later one counts, and options come first.
func startupSettings(startup *pgwire.Startup) (txpool.Settings, error) {
	options, err := sqlscan.ParseOptions(startup.Get("options"))
	if err != nil {
		return txpool.Settings{}, err
	}
	for _, p := range startup.Parameters {
		switch {
		case p.Name == "user", p.Name == "database", p.Name == "replication", p.Name == "options":
		case strings.HasPrefix(p.Name, "_pq_."):
		default:
			options = append(options, sqlscan.Option{Name: p.Name, Value: p.Value})
		}
	}
	return txpool.NewSettings(options)
}

// Kinds of replication.
const (
	replicationNone     = "none"
	replicationLogical  = "logical"
	replicationPhysical = "physical"
)

// replication is what a client asks its connection for. One to replicate
// cannot be shared.
func replication(startup *pgwire.Startup) string {
	switch strings.ToLower(startup.Get("replication")) {
	case "", "0", "false", "off", "no", "f", "n":
		return replicationNone
	case "database":
		return replicationLogical
	}
	return replicationPhysical
}

// maxWelcomes is how many sets of settings a pool knows the answer to.
const maxWelcomes = 1024

// welcomes are what clients with certain settings are told of the server.
type welcomes map[txpool.Settings]txpool.Reported

// welcome returns what a client with these settings is told, if it is known.
func (p *pool) welcome(settings txpool.Settings) (txpool.Reported, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reported, ok := p.welcomes[settings]
	return reported, ok
}

func (p *pool) remember(settings txpool.Settings, reported txpool.Reported) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.welcomes == nil || len(p.welcomes) >= maxWelcomes {
		p.welcomes = welcomes{}
	}
	p.welcomes[settings] = reported
}
