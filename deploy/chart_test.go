package deploy

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

const chartDir = "helm/lakebase-proxy"

var update = flag.Bool("update", false, "write kubernetes/proxy.yaml anew")

// values are the chart's example values, and others that replace some of them.
func values(t *testing.T, others string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, content := range []string{string(read(t, chartDir+"/ci/example-values.yaml")), others} {
		next := map[string]any{}
		if err := yaml.Unmarshal([]byte(content), &next); err != nil {
			t.Fatal(err)
		}
		all = chartutil.CoalesceTables(next, all)
	}
	return all
}

// render returns what helm would install as the release lakebase-proxy.
func render(t *testing.T, values map[string]any) (string, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	complete, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "lakebase-proxy", Namespace: "default", IsInstall: true}, nil)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(chart, complete)
	if err != nil {
		return "", err
	}
	var documents []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := strings.Trim(files[name], "\n"); text != "" && strings.HasSuffix(name, ".yaml") {
			documents = append(documents, strings.TrimPrefix(text, "---\n"))
		}
	}
	return strings.Join(documents, "\n---\n") + "\n", nil
}

// Helm's linter finds nothing in the chart, whatever is on or off, and each result is as
// good as the manifests.
func TestChart(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]string{
		"example":    "",
		"alone":      "replicas: 1\nnetworkPolicy: {enabled: false}\nserviceMonitor: {enabled: false}\nsettings: {trust_functions: true}",
		"federation": "workspace: {federatedClientID: 00000000-0000-0000-0000-000000000000}",
		"two targets": "targets: {reports: {address: projects/reports, databases: 'sales, till'}}\n" +
			"settings: {default_target: shop, max_client_conn: 2000000}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, m := range lint.All(chartDir, values(t, others), "default", true).Messages {
				if m.Severity > support.InfoSev {
					t.Error(m)
				}
			}
			text, err := render(t, values(t, others))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "chart.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			checkManifest(t, file)
		})
	}
}

// Mistakes in the values are found before anything is installed.
func TestChartRefusesMistakes(t *testing.T) {
	t.Parallel()
	for others, want := range map[string]string{
		"replica: 2":                    "replica",
		"workspace: {host: my-host}":    "host",
		"targets: {other: {adress: a}}": "address",
		"image: ''":                     "image",
	} {
		_, err := render(t, values(t, others))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", others, err)
		}
	}
}

// The manifest for those without Helm is what the chart has.
func TestManifestIsTheCharts(t *testing.T) {
	t.Parallel()
	const file = "kubernetes/proxy.yaml"
	text, err := render(t, values(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	have := string(read(t, file))
	comment, _, _ := strings.Cut(have, "apiVersion:")
	if *update {
		if err := os.WriteFile(file, []byte(comment+text), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if have != comment+text {
		t.Errorf("%s differs from the chart: go test -run TestManifestIsTheCharts -update writes it anew", file)
	}
}
