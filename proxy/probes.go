package proxy

import "errors"

// Reasons why the proxy is not ready.
var (
	errStarting     = errors.New("the proxy is starting")
	errDraining     = errors.New("the proxy is shutting down")
	errLeaving      = errors.New("the proxy waits for its last clients to leave")
	errNotListening = errors.New("the proxy is not listening")
)

// started reports whether the Server has begun to serve.
func (s *Server) started() error {
	if !s.serving.Load() {
		return errStarting
	}
	return nil
}

// ready reports whether new clients can come. Whether the database is awake
// does not count: asking would keep it so, and a client wakes it.
func (s *Server) ready() error {
	switch {
	case s.isDraining(), s.stopping.Load():
		return errDraining
	case s.leaving.Load():
		return errLeaving
	case !s.serving.Load():
		return errStarting
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 {
		return errNotListening
	}
	return nil
}

// alive answers as long as the mutex can be had that everything needs.
func (s *Server) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return nil
}
