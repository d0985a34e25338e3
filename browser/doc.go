// Package browser has no code but tests: they look at the status pages as people do, in
// Chromium, and take the pictures in docs/images. It is a module of its own so that the
// main one does not depend on what drives a browser.
package browser
