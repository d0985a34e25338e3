package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/spelling"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// checkTarget looks the target up in the workspace, and waits while it is
// starting or failing over.
func checkTarget(ctx context.Context, v *visit) Result {
	var t steps.Target
	err := v.poll(ctx, "target", func() (starting bool, err error) {
		ctx, cancel := v.within(ctx)
		defer cancel()
		t, err = v.steps.Find(ctx)
		return err != nil && (t.State == workspace.Starting || t.State == workspace.FailingOver), err
	}, func() string {
		return fmt.Sprintf("%s is %s: waiting up to %s", t.Name(), t.State, v.options.WakeTimeout)
	})
	v.target = t
	if err != nil && !v.canDoWithout(err) {
		return v.explainTarget(ctx, err)
	}
	if t.Name() == "" {
		v.target.Instance, v.target.Endpoint = v.cfg.Instance, v.cfg.Endpoint
	}
	v.steps.Use(v.target, v.identity)
	v.servers = v.steps.Servers(t.Host)
	v.asleep = t.RawState == "IDLE"
	product := "instance"
	if v.target.Endpoint != "" {
		product = "endpoint"
	}
	r := found(v.targetDetails(), "%s %s is %s at %s", product, v.target.Name(), v.describeState(), t.Host)
	if err != nil {
		return r.warn(problem("the state of %s could not be read from the workspace", v.targetName()).
			means("the host is configured, so that logins do not need it: %s", err).
			do("nothing, unless a later check fails"))
	}
	if t.Named == "" || strings.EqualFold(strings.TrimSuffix(t.Named, "."), strings.TrimSuffix(t.Host, ".")) {
		return r
	}
	return r.warn(problem("the configured host is %s, but the workspace names %s", t.Host, t.Named).
		means("logins go to the configured host, which may belong to something else or be gone").
		do(v.letWorkspaceNameHost("")))
}

// canDoWithout reports whether logins do not need the lookup that failed,
// because name and host are configured.
func (v *visit) canDoWithout(err error) bool {
	complete := v.cfg.Instance != "" || strings.Count(v.cfg.Endpoint, "/") == 5
	return v.cfg.Host != "" && complete && (errors.Is(err, lakebase.KindWorkspaceUnreachable) || errors.Is(err, lakebase.KindPermissionDenied))
}

func (v *visit) describeState() string {
	switch {
	case v.asleep:
		return "asleep (IDLE; logging in wakes it)"
	case v.target.RawState != "":
		return v.target.RawState
	}
	return "in an unknown state"
}

func (v *visit) targetDetails() []Detail {
	access := "read-write"
	if v.target.ReadOnly {
		access = "read-only"
	}
	details := []Detail{{Name: "name", Value: v.target.Name()}, {Name: "host", Value: v.target.Host}, {Name: "access", Value: access}}
	if v.target.RawState != "" {
		details = append(details, Detail{Name: "state", Value: v.target.RawState})
	}
	return details
}

// explainTarget explains a target that does not exist or cannot be used.
func (v *visit) explainTarget(ctx context.Context, err error) Result {
	e, t := asError(err), v.target
	p := problem("%s %s", t.Name(), e.Message)
	switch {
	case t.State == workspace.Stopped:
		return v.toStart(p).failed(err, v.targetDetails()...)
	case e.Kind == lakebase.KindUnavailable:
		return p.means("it does not take logins until that is over").do("wait until it is", v.command("wait")).
			failed(err, v.targetDetails()...)
	case t.State == workspace.Deleting:
		return p.means("it will be gone in a moment").do("name another").failed(err)
	case e.Kind == lakebase.KindNotFound:
		return v.missingTarget(ctx, e)
	}
	return v.explainCall(err, "use "+e.Resource).failed(err)
}

// missingTarget explains a name that leads nowhere, by the names that exist.
func (v *visit) missingTarget(ctx context.Context, e *lakebase.Error) Result {
	if !strings.Contains(e.Message, "does not know") && !strings.Contains(e.Message, "can see") {
		// It exists, but has no such host or child.
		return problem("%s %s", e.Resource, e.Message).means("the path leads to something that has not what is asked for").failed(e)
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout/2)
	defer cancel()
	p := problem("%s does not exist in this workspace", e.Resource).
		means("%s sees no instance or project of that name at %s", v.identity, v.workspaceURL).
		do("check the name: this identity sees nothing at all there, so it may be the wrong workspace")
	var details []Detail
	if visible := v.visibleTargets(ctx); len(visible) > 0 {
		p = p.do("name one of those that exist: "+strings.Join(visible[:min(len(visible), 5)], ", "), "lakebase targets")
		if near := spelling.Nearest(e.Resource, visible); near != "" {
			p = p.do("name it as it is spelt there: "+near, "lakebase doctor "+shellword.Of(near))
		}
		details = append(details, Detail{Name: "visible", Value: strings.Join(visible, ", ")})
	}
	if e.Resource == v.cfg.Host {
		p.Summary = "nothing that this identity can see has the host " + e.Resource
		p.Meaning = "a host alone names its target only if the identity may see that"
	}
	return p.failed(e, details...)
}

// visibleTargets lists what the identity can see. A list that fails counts as
// empty.
func (v *visit) visibleTargets(ctx context.Context) []string {
	var names []string
	instances, _ := v.steps.Workspace.Instances(ctx)
	for _, i := range instances {
		names = append(names, i.Name)
	}
	projects, _ := v.steps.Workspace.Projects(ctx)
	for _, p := range projects {
		if !slices.Contains(names, strings.TrimPrefix(p.Name, "projects/")) {
			names = append(names, p.Name)
		}
	}
	return names
}
