package deploy

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// metrics are those that docs/proxy-operations.md explains, which a test of the proxy
// compares with what it serves.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `.*? \\|").FindAllString(string(read(t, "../docs/proxy-operations.md")), -1) {
		for _, m := range regexp.MustCompile("`([a-z_]+)[`{]").FindAllStringSubmatch(row, -1) {
			known["lakebase_proxy_"+m[1]] = true
		}
	}
	if len(known) < 30 {
		t.Fatalf("%d metrics", len(known))
	}
	return known
}

// checkExpression checks a query's syntax and the metrics that it names.
func checkExpression(t *testing.T, known map[string]bool, text string) {
	t.Helper()
	expression, err := parser.ParseExpr(strings.ReplaceAll(text, "$__rate_interval", "5m"))
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok && !known[selector.Name] {
			t.Errorf("%s: there is no metric %s", text, selector.Name)
		}
		return nil
	})
}

// The alerts fire when they should, by Prometheus' own test, on metrics that exist.
func TestAlerts(t *testing.T) {
	t.Parallel()
	tool(t, "prometheus", "promtool", "check", "rules", "--lint-fatal", "alerts.yaml")
	tool(t, "prometheus", "promtool", "test", "rules", "alerts_test.yaml")
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read(t, "prometheus/alerts.yaml"), &alerts); err != nil {
		t.Fatal(err)
	}
	tested := string(read(t, "prometheus/alerts_test.yaml"))
	for _, rule := range alerts.Groups[0].Rules {
		checkExpression(t, metrics(t), rule.Expr)
		if !strings.Contains(tested, rule.Alert+"\n        exp_alerts") {
			t.Errorf("no test fires %s", rule.Alert)
		}
	}
}

// The dashboard's panels have a place, a query each and a title, and query metrics that
// exist.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "grafana/proxy.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	known, ids, taken := metrics(t), map[int]bool{}, map[[2]int]string{}
	for _, p := range dashboard.Panels {
		if p.Title == "" || ids[p.ID] || (p.Type != "row") != (len(p.Targets) > 0) || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Errorf("%s covers %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			checkExpression(t, known, target.Expr)
		}
	}
}
