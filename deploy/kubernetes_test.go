package deploy

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// kinds are the types of Kubernetes itself and of the Prometheus operator: a field that
// they do not have is an error.
var kinds = map[string]func() meta.Object{
	"apps/v1/Deployment":                      func() meta.Object { return new(apps.Deployment) },
	"monitoring.coreos.com/v1/ServiceMonitor": func() meta.Object { return new(monitoring.ServiceMonitor) },
	"networking.k8s.io/v1/NetworkPolicy":      func() meta.Object { return new(networking.NetworkPolicy) },
	"policy/v1/PodDisruptionBudget":           func() meta.Object { return new(policy.PodDisruptionBudget) },
	"v1/ConfigMap":                            func() meta.Object { return new(core.ConfigMap) },
	"v1/Service":                              func() meta.Object { return new(core.Service) },
	"v1/ServiceAccount":                       func() meta.Object { return new(core.ServiceAccount) },
}

// objects returns the objects of a manifest.
func objects(t *testing.T, file string) (list []meta.Object) {
	t.Helper()
	for document := range bytes.SplitSeq(read(t, file), []byte("\n---\n")) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		create := kinds[kind.APIVersion+"/"+kind.Kind]
		if create == nil {
			t.Fatalf("%s: unknown kind %s/%s", file, kind.APIVersion, kind.Kind)
		}
		object := create()
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s: %s: %v", file, kind.Kind, err)
		}
		for _, reason := range validation.IsDNS1123Subdomain(object.GetName()) {
			t.Errorf("%s: %s: %s", file, kind.Kind, reason)
		}
		list = append(list, object)
	}
	return list
}

// Each manifest has only known fields, names things that are there, and starts a proxy
// whose configuration is accepted and that is stopped no sooner than it has drained.
func TestManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			checkManifest(t, file)
		})
	}
}

// checkManifest checks what is true of each manifest.
func checkManifest(t *testing.T, file string) {
	t.Helper()
	list := objects(t, file)
	labels := map[string]map[string]string{} // of pods and services, by name
	config := map[string]map[string]string{}
	accounts := map[string]bool{"": true}
	for _, object := range list {
		switch o := object.(type) {
		case *core.ConfigMap:
			config[o.Name] = o.Data
		case *core.ServiceAccount:
			accounts[o.Name] = true
		case *core.Service:
			labels["service "+o.Name] = o.Labels
		case *apps.Deployment:
			labels["pod "+o.Name] = o.Spec.Template.Labels
		}
	}
	selects := func(what string, selector map[string]string) {
		for _, have := range labels {
			all := len(selector) > 0
			for key, value := range selector {
				all = all && have[key] == value
			}
			if all {
				return
			}
		}
		t.Errorf("%s selects nothing: %v", what, selector)
	}
	for _, object := range list {
		switch o := object.(type) {
		case *core.Service:
			selects(o.Name, o.Spec.Selector)
		case *policy.PodDisruptionBudget:
			selects(o.Name, o.Spec.Selector.MatchLabels)
		case *networking.NetworkPolicy:
			selects(o.Name, o.Spec.PodSelector.MatchLabels)
		case *monitoring.ServiceMonitor:
			selects(o.Name, o.Spec.Selector.MatchLabels)
		case *apps.Deployment:
			selects(o.Name, o.Spec.Selector.MatchLabels)
			if !accounts[o.Spec.Template.Spec.ServiceAccountName] {
				t.Errorf("no service account %s", o.Spec.Template.Spec.ServiceAccountName)
			}
			checkPod(t, o.Spec.Template.Spec, config)
		}
	}
}

// checkPod checks the proxy of a pod.
func checkPod(t *testing.T, pod core.PodSpec, config map[string]map[string]string) {
	t.Helper()
	volumes := map[string]core.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	proxies := 0
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		if len(c.Args) == 0 || c.Args[0] != "proxy" {
			continue
		}
		proxies++
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for name, probe := range map[string]*core.Probe{"/startup": c.StartupProbe, "/readiness": c.ReadinessProbe, "/liveness": c.LivenessProbe} {
			if probe == nil || probe.HTTPGet.Path != name || !ports[probe.HTTPGet.Port.String()] {
				t.Errorf("probe %s: %+v", name, probe)
			}
		}
		s := c.SecurityContext
		if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || fmt.Sprint(s.Capabilities.Drop) != "[ALL]" || !*pod.SecurityContext.RunAsNonRoot {
			t.Errorf("%s may do more than it needs", c.Name)
		}
		env := []string{"DATABRICKS_HOST=https://my-workspace.cloud.databricks.com"}
		for _, e := range c.Env {
			env = append(env, e.Name+"="+e.Value)
		}
		for _, from := range c.EnvFrom {
			if from.SecretRef == nil || from.SecretRef.Name != "lakebase-workspace" {
				t.Errorf("%+v", from)
			}
			env = append(env, "DATABRICKS_CLIENT_ID=id", "DATABRICKS_CLIENT_SECRET=secret")
		}
		out := lakebaseCheck(t, env, mounted(t, c, volumes, config))
		var seconds [2]int64
		for line := range strings.Lines(out) {
			for i, name := range []string{"drain_delay", "drain_timeout"} {
				if fields := strings.Fields(line); len(fields) > 2 && fields[0] == name {
					fmt.Sscan(strings.TrimPrefix(fields[1], "= "), &seconds[i])
					if fields[1] == "=" {
						fmt.Sscan(fields[2], &seconds[i])
					}
				}
			}
		}
		if drains := seconds[0] + seconds[1]; drains == 0 || *pod.TerminationGracePeriodSeconds <= drains {
			t.Errorf("killed after %d s, and drains for %v: %s", *pod.TerminationGracePeriodSeconds, seconds, out)
		}
	}
	if proxies != 1 {
		t.Errorf("%d proxies", proxies)
	}
}

// mounted writes the files that a container mounts, and returns its arguments with
// their paths here.
func mounted(t *testing.T, c core.Container, volumes map[string]core.Volume, config map[string]map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	write := func(path, content string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "= /", "= "+dir+"/")), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.VolumeMounts {
		v, ok := volumes[m.Name]
		switch {
		case !ok:
			t.Errorf("no volume %s", m.Name)
		case v.ConfigMap != nil:
			for name, content := range config[v.ConfigMap.Name] {
				if name == m.SubPath {
					write(m.MountPath, content)
				}
			}
		case v.Secret != nil && strings.HasSuffix(m.MountPath, "/users"):
			write(m.MountPath+"/userlist.txt", `"operator" "secret"`+"\n")
		case v.Secret != nil:
			for name, content := range certificate(t) {
				write(m.MountPath+"/"+name, content)
			}
		case v.Projected == nil:
			t.Errorf("volume %s: %+v", m.Name, v.VolumeSource)
		}
	}
	args := append([]string(nil), c.Args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "=/", "="+dir+"/")
	}
	return args
}

// certificate returns a self-signed one, as `kubectl create secret tls` stores it.
func certificate(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	tool(t, dir, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=lakebase-proxy", "-keyout", "tls.key", "-out", "tls.crt")
	files := map[string]string{}
	for _, name := range []string{"tls.key", "tls.crt"} {
		files[name] = string(read(t, filepath.Join(dir, name)))
	}
	return maps.Clone(files)
}
