package browser

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a tab of the browser that shows a page.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string // in the console
}

// view is how a page is looked at.
type view struct {
	dark     bool
	width    int64
	height   int64 // 900 if zero
	noScript bool
}

func (v view) String() string {
	return fmt.Sprintf("%s at %d, script %t", map[bool]string{true: "dark", false: "light"}[v.dark], v.width, !v.noScript)
}

// open opens a page in a tab of its own.
func open(t *testing.T, url string, v view) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(chromium)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	p.must(chromedp.Do(ctx))
	p.must(chromedp.Listen(ctx, p.event))
	p.look(v)
	p.must(chromedp.Do(ctx, chromedp.Navigate(url)))
	return p
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// event notes requests and what the console shows.
func (p *tab) event(e any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.problems = append(p.problems, "console."+string(e.Type))
	case *log.EventEntryAdded:
		p.problems = append(p.problems, e.Entry.Text+" "+e.Entry.URL)
	}
}

// look changes how the page is looked at.
func (p *tab) look(v view) {
	p.t.Helper()
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	p.must(err)
	_, err = chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.noScript})
	p.must(err)
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(v.width, cmp.Or(v.height, 900))))
}

// value is that of an expression of JavaScript.
func value[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// eventually waits until an expression of JavaScript is true.
func (p *tab) eventually(what, expression string) {
	p.t.Helper()
	for began := time.Now(); time.Since(began) < 40*time.Second; {
		if value[bool](p, expression) {
			return
		}
		p.must(chromedp.Do(p.ctx, chromedp.Sleep(50*time.Millisecond)))
	}
	p.t.Fatalf("%s: not within 40 s", what)
}

// quiet fails the test if the console shows anything, or a request left the page's
// origin.
func (p *tab) quiet(url string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Errorf("%s: in the console: %s", url, problem)
	}
	origin := strings.Join(strings.SplitAfter(url, "/")[:3], "")
	for _, request := range p.requests {
		if !strings.HasPrefix(request, origin) && !strings.HasPrefix(request, "data:") {
			p.t.Errorf("%s: a request for %s", url, request)
		}
	}
	if len(p.requests) == 0 {
		p.t.Errorf("%s: no request was seen", url)
	}
}
