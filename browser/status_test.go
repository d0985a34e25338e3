package browser

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

//go:embed checks.js
var checks string

// pages are the addresses of the pages by name.
func pages() map[string]string {
	return map[string]string{
		"proxy":  proxyURL,
		"pool":   proxyURL + "pool?name=shop",
		"local":  workspaceURL,
		"demo":   demoURL,
		"client": proxyURL + fmt.Sprintf("client?id=%d", clientID),
	}
}

// drawn is true when each plot of a page has a line.
const drawn = `[...document.querySelectorAll('figure')].every(f => [...f.querySelectorAll('.area path:not(.grid)')].some(l => l.getAttribute('d')))`

// Pages fit into windows of phones and of computers, in light and dark, are readable,
// and have what a screen reader needs.
func TestPagesFitAndAreReadable(t *testing.T) {
	t.Parallel()
	for name, url := range pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, url, view{width: 1280})
			p.eventually("each plot has a line", drawn)
			for _, v := range []view{{width: 1280}, {width: 360}, {dark: true, width: 1280}, {dark: true, width: 360}, {width: 800, noScript: true}} {
				p.look(v)
				for _, wrong := range value[[]string](p, checks) {
					t.Errorf("%s: %s", v, wrong)
				}
			}
			p.named()
			p.quiet(url)
		})
	}
}

// named fails the test if the browser finds no name for something that needs one.
func (p *tab) named() {
	p.t.Helper()
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	p.must(err)
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return s
	}
	count := map[string]int{}
	for _, node := range tree.Nodes {
		if role := text(node.Role); !node.Ignored {
			count[role]++
			if strings.Contains(" button link image region meter heading columnheader rowheader navigation ", " "+role+" ") && strings.TrimSpace(text(node.Name)) == "" {
				p.t.Errorf("a %s has no name", role)
			}
		}
	}
	if count["main"] != 1 || count["link"] == 0 || count["heading"] == 0 || count["columnheader"] == 0 {
		p.t.Errorf("the browser finds %v", count)
	}
}

// The script updates a page in place, so that focus and scrolling stay.
func TestPagesUpdateInPlace(t *testing.T) {
	t.Parallel()
	for name, url := range pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, url, view{width: 360})
			const state = `[document.getElementById('asof').textContent, ...[...document.querySelectorAll('.area path:not(.grid)')].map(l => l.getAttribute('d'))].join()`
			p.eventually("each plot has a line", drawn)
			value[bool](p, `window.before = `+state+`, window.time = document.getElementById('asof').textContent,
				window.link = [...document.querySelectorAll('main a')].at(-1), link?.focus(), scrollTo(0, 300), window.scrolled = scrollY, true`)
			p.eventually("the time has changed", `document.getElementById('asof').textContent !== time`)
			if name != "client" {
				p.eventually("the plots have changed", state+` !== before`)
			}
			if !value[bool](p, `scrollY === scrolled && (!link || document.activeElement === link)`) {
				t.Error("the focus or the scrolling has changed")
			}
			p.quiet(url)
		})
	}
}

// Updates can be paused, and are made up for at once.
func TestUpdatesCanBePaused(t *testing.T) {
	t.Parallel()
	p := open(t, proxyURL, view{width: 1280})
	const pressed = `document.getElementById('pause').getAttribute('aria-pressed')`
	p.must(chromedp.Do(p.ctx, chromedp.Click(chromedp.ID("pause"))))
	if value[string](p, pressed) != "true" {
		t.Error("the button is not pressed")
	}
	value[bool](p, `window.time = document.getElementById('asof').textContent, true`)
	p.eventually("the clock has moved on", fmt.Sprintf("Date.now() > %d", value[int64](p, "Date.now()")+1100))
	p.must(chromedp.Do(p.ctx, chromedp.Click(chromedp.ID("pause"))))
	p.eventually("the time has changed", `document.getElementById('asof').textContent !== time`)
	if value[string](p, pressed) != "false" {
		t.Error("the button is pressed")
	}
}

// A page that gets no answer any more shows that.
func TestLostConnectionIsShown(t *testing.T) {
	t.Parallel()
	p := open(t, proxyURL, view{width: 1280})
	offline := func(yes bool) {
		t.Helper()
		_, err := chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1}}})
		p.must(err)
	}
	offline(true)
	p.eventually("the page shows that there is no answer", `document.getElementById('note').textContent.includes('No answer')`)
	offline(false)
	p.eventually("the page has an answer again", `document.getElementById('note').textContent === ''`)
}

// Without script the page is the same, and reloads by itself.
func TestPagesNeedNoScript(t *testing.T) {
	t.Parallel()
	for name, url := range pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, url, view{width: 1280, noScript: true})
			time := value[string](p, `document.getElementById('asof').textContent`)
			if value[bool](p, `document.getElementById('pause').checkVisibility()`) {
				t.Error("there is a button that does nothing")
			}
			p.eventually("the page has reloaded", fmt.Sprintf(`document.getElementById('asof')?.textContent > %q`, time))
			p.eventually("each plot has a line", drawn)
			p.quiet(url)
		})
	}
}

// Tab reaches everything that can be used, in the order in which it is on the page, and
// shows where it is.
func TestTabReachesEverything(t *testing.T) {
	t.Parallel()
	for name, url := range pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, url, view{width: 1280})
			p.must(chromedp.Do(p.ctx, chromedp.Click(chromedp.ID("pause")))) // what there is stays
			p.must(chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](`document.activeElement.blur(), window.all = [...document.querySelectorAll('a, button, [tabindex]')], undefined`)))
			for i := range value[int](p, `all.length`) {
				p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(kb.Tab)))
				if got := value[int](p, `all.indexOf(document.activeElement)`); i == 0 && got != 0 {
					// Chromium goes on from where the last click was.
					value[bool](p, `all[0].focus(), true`)
				} else if got != i {
					t.Fatalf("Tab %d leads to element %d", i, got)
				}
				if !value[bool](p, `(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`) {
					t.Errorf("element %d does not show that it has the focus", i)
				}
			}
		})
	}
}
