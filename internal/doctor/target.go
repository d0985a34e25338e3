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
func checkTarget(ctx context.Context, v *visit) finding {
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
		return v.explainTarget(err)
	}
	if t.Name() == "" {
		v.target.Instance, v.target.Endpoint = v.cfg.Instance, v.cfg.Endpoint
	}
	v.steps.Use(v.target, v.identity)
	v.servers = v.steps.Servers(t.Host)
	v.asleep = t.RawState == "IDLE"
	f := found(v.targetDetails(), "%s is %s at %s", v.describeTarget(), v.describeState(), t.Host)
	if err != nil {
		return f.warn("the state of "+v.targetName()+" could not be read from the workspace", advice{
			meaning: "the host is configured, so that logins do not need it: " + err.Error(),
			action:  "nothing, unless a later check fails",
		})
	}
	if t.Named == "" || strings.EqualFold(strings.TrimSuffix(t.Named, "."), strings.TrimSuffix(t.Host, ".")) {
		return f
	}
	return f.warn(fmt.Sprintf("the configured host is %s, but the workspace names %s", t.Host, t.Named), advice{
		meaning: "logins go to the configured host, which may belong to something else or be gone",
		action:  "let the workspace name the host", command: v.unsetHost(),
	})
}

// canDoWithout reports whether logins do not need the lookup that failed,
// because name and host are configured.
func (v *visit) canDoWithout(err error) bool {
	complete := v.cfg.Instance != "" || strings.Count(v.cfg.Endpoint, "/") == 5
	return v.cfg.Host != "" && complete && (errors.Is(err, lakebase.KindWorkspaceUnreachable) || errors.Is(err, lakebase.KindPermissionDenied))
}

func (v *visit) describeTarget() string {
	if v.target.Endpoint != "" {
		return "endpoint " + v.target.Endpoint
	}
	return "instance " + v.target.Instance
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
func (v *visit) explainTarget(err error) finding {
	e, t := asError(err), v.target
	switch {
	case t.State == workspace.Stopped:
		return fail(err, t.Name()+" "+e.Message, v.start(), v.targetDetails()...)
	case e.Kind == lakebase.KindUnavailable:
		return fail(err, t.Name()+" "+e.Message, advice{
			meaning: "it does not take logins until that is over",
			action:  "wait until it is", command: v.wait(),
		}, v.targetDetails()...)
	case t.State == workspace.Deleting:
		return fail(err, t.Name()+" "+e.Message, advice{meaning: "it will be gone in a moment", action: "name another"})
	case e.Kind == lakebase.KindNotFound:
		return v.missingTarget(e)
	}
	summary, a := v.explainCall(err)
	if e.Kind == lakebase.KindPermissionDenied && strings.HasSuffix(summary, "may not use it") {
		summary = strings.TrimSuffix(summary, "it") + e.Resource
	}
	return fail(err, summary, a)
}

// missingTarget explains a name that leads nowhere, by the names that exist.
func (v *visit) missingTarget(e *lakebase.Error) finding {
	if !strings.Contains(e.Message, "does not know") && !strings.Contains(e.Message, "can see") {
		return fail(e, e.Resource+" "+e.Message, advice{
			meaning: "the path leads to something that has not what is asked for", action: e.Hint,
		}) // it exists, but has no such host or child
	}
	ctx, cancel := context.WithTimeout(context.Background(), v.timeout/2)
	defer cancel()
	visible := v.visibleTargets(ctx)
	a := advice{
		meaning: v.identity + " sees no instance or project of that name at " + v.workspaceURL,
		action:  "check the name: this identity sees nothing at all there, so it may be the wrong workspace",
	}
	var details []Detail
	if len(visible) > 0 {
		a.action, a.command = "name one of those that exist: "+strings.Join(visible[:min(len(visible), 5)], ", "), "lakebase targets"
		if near := spelling.Nearest(e.Resource, visible); near != "" {
			a.action, a.command = "name it as it is spelt there: "+near, "lakebase doctor "+shellword.Of(near)
		}
		details = append(details, Detail{Name: "visible", Value: strings.Join(visible, ", ")})
	}
	summary := e.Resource + " does not exist in this workspace"
	if e.Resource == v.cfg.Host {
		summary = "nothing that this identity can see has the host " + e.Resource
		a.meaning = "a host alone names its target only if the identity may see that"
	}
	return fail(e, summary, a, details...)
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
