package local

import "crypto/tls"

// authority is the private certificate authority that signs the front's
// certificates.
type authority struct{}

// loadAuthority reads the authority in dir, or makes one there: root.crt
// (0644) and root.key (0600).
func loadAuthority(dir string) (*authority, error) { panic("TODO: front helper") }

// rootFile is the PEM file that clients trust.
func (a *authority) rootFile() string { panic("TODO") }

// certificate returns a leaf for name, a host name or IP address, made on
// first use and cached.
func (a *authority) certificate(name string) (*tls.Certificate, error) { panic("TODO") }

// faulty returns a leaf that must not be trusted: see TLSFault.Mode.
func (a *authority) faulty(mode, name string) (*tls.Certificate, error) { panic("TODO") }
