package proxy

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// certificateInterval is the time between looks at a certificate's files.
const certificateInterval = 10 * time.Second

// certificate is one that clients see. It is read again when its files have changed, by
// the login that notices, so that a program that renews it need not know of the proxy.
type certificate struct {
	certFile, keyFile string
	interval          time.Duration
	logger            *slog.Logger

	mu      sync.Mutex
	current tls.Certificate
	version [2]fileVersion // of the files, when they were read last
	looked  time.Time
}

// fileVersion changes with the content of a file. That of a file that cannot be read is
// the zero value.
type fileVersion struct {
	modified time.Time
	size     int64
}

func newCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, interval: certificateInterval, logger: logger, looked: time.Now()}
	c.version = c.look()
	var err error
	c.current, err = tls.LoadX509KeyPair(certFile, keyFile)
	return c, err
}

// get is the GetCertificate of a tls.Config. A change that cannot be read is logged once,
// and the certificate stays: the two files may be replaced one after the other.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= c.interval {
		c.looked = now
		if version := c.look(); version != c.version {
			c.version = version
			if next, err := tls.LoadX509KeyPair(c.certFile, c.keyFile); err != nil {
				c.logger.Error("certificate not read again, the former one stays", "error", oneline.Text(err.Error()))
			} else {
				c.current = next
				c.logger.Info("certificate read again")
			}
		}
	}
	current := c.current
	return &current, nil
}

func (c *certificate) look() (version [2]fileVersion) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			version[i] = fileVersion{info.ModTime(), info.Size()}
		}
	}
	return version
}
