package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/spelling"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// pollInterval is between looks at a target that is on its way up.
const pollInterval = time.Second

// checkTarget asks the workspace for the target, and waits while that is
// starting.
func checkTarget(ctx context.Context, v *visit) finding {
	t, err := v.findTarget(ctx)
	v.target = t
	if err != nil && !v.canDoWithout(err) {
		return v.targetProblem(err)
	}
	if t.Name() == "" {
		v.target.Instance, v.target.Endpoint = v.cfg.Instance, v.cfg.Endpoint
	}
	v.steps.Use(v.target, v.identity)
	v.servers = v.steps.Servers(t.Host)
	v.asleep = t.RawState == "IDLE"
	f := found(v.targetDetails(), "%s is %s at %s", v.described(), v.stateName(), t.Host)
	if err != nil {
		return f.warn("the workspace did not say how "+v.targetName()+" is", advice{
			meaning: "the host is configured, so that logins can do without: " + err.Error(),
			action:  "nothing, unless a later check fails",
		})
	}
	return v.compareHosts(f)
}

// findTarget waits for a target that is starting or failing over.
func (v *visit) findTarget(ctx context.Context) (t steps.Target, err error) {
	deadline := time.Now().Add(v.options.WakeTimeout)
	for {
		t, err = v.findOnce(ctx)
		if err == nil || t.State != workspace.Starting && t.State != workspace.FailingOver || time.Until(deadline) < pollInterval {
			return t, err
		}
		v.tell(Event{Check: "target", Note: fmt.Sprintf("%s is %s: waiting up to %s", t.Name(), t.State, v.options.WakeTimeout)})
		select {
		case <-ctx.Done():
			return t, err
		case <-time.After(pollInterval):
		}
	}
}

func (v *visit) findOnce(ctx context.Context) (steps.Target, error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	return v.steps.Find(ctx)
}

// canDoWithout reports whether logins need no answer to the question that
// failed, since name and host are configured.
func (v *visit) canDoWithout(err error) bool {
	complete := v.cfg.Instance != "" || strings.Count(v.cfg.Endpoint, "/") == 5
	return v.cfg.Host != "" && complete && isKind(err, lakebase.KindWorkspaceUnreachable, lakebase.KindPermissionDenied)
}

func (v *visit) described() string {
	if v.target.Endpoint != "" {
		return "endpoint " + v.target.Endpoint
	}
	return "instance " + v.target.Instance
}

func (v *visit) stateName() string {
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

// compareHosts looks at a host that is configured beside the workspace's own.
func (v *visit) compareHosts(f finding) finding {
	t := v.target
	if t.Named == "" || strings.EqualFold(strings.TrimSuffix(t.Named, "."), strings.TrimSuffix(t.Host, ".")) {
		return f
	}
	return f.warn(fmt.Sprintf("the configured host is %s, but the workspace names %s", t.Host, t.Named), advice{
		meaning: "logins go to the configured host, which may belong to something else or be gone",
		action:  "let the workspace name the host", command: v.unsetHost(),
	})
}

// unset is the command that takes a setting back, where it is a variable's.
func (v *visit) unset(setting string) string {
	if variable := v.variable(setting); variable != "" {
		return "unset " + variable
	}
	return ""
}

// unsetHost is the command that lets the workspace name the host.
func (v *visit) unsetHost() string {
	if !v.overridesHost() {
		return ""
	}
	return v.unset("host")
}

// targetProblem explains a target that is not there or cannot be used.
func (v *visit) targetProblem(err error) finding {
	var e *lakebase.Error
	if !errors.As(err, &e) {
		return fail(err, err.Error(), advice{})
	}
	t := v.target
	switch {
	case t.State == workspace.Stopped:
		return fail(err, t.Name()+" "+e.Message, v.startIt(), v.targetDetails()...)
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
	summary, a := v.workspaceProblem(err)
	if e.Kind == lakebase.KindPermissionDenied && strings.HasSuffix(summary, "may not use it") {
		summary = strings.TrimSuffix(summary, "it") + e.Resource
	}
	return fail(err, summary, a)
}

func (v *visit) startIt() advice {
	a := advice{
		meaning: "connecting does not start it, whatever the timeout",
		action:  "start it: in the workspace, on the page of the instance",
	}
	if v.target.RawState == "disabled" {
		a.action = "enable it: in the workspace, on the page of the endpoint"
	}
	if v.isLocalLakebase() {
		a.command = "lakebase local start " + shellword.Of(v.target.Name())
	}
	return a
}

// missingTarget explains a name that leads nowhere, by what there is.
func (v *visit) missingTarget(e *lakebase.Error) finding {
	if !strings.Contains(e.Message, "does not know") && !strings.Contains(e.Message, "can see") {
		return fail(e, e.Resource+" "+e.Message, advice{
			meaning: "the path leads to something that has not what is asked for", action: e.Hint,
		}) // there, but without the host or child that is wanted
	}
	ctx, cancel := context.WithTimeout(context.Background(), v.options.Timeout/2)
	defer cancel()
	visible := v.visibleTargets(ctx)
	a := advice{
		meaning: v.identity + " sees no instance or project of that name at " + v.workspaceURL,
		action:  "check the name: this identity sees nothing at all there, so it may be the wrong workspace",
	}
	var details []Detail
	if len(visible) > 0 {
		a.command = "lakebase targets"
		a.action = "name one of those that there are: " + strings.Join(visible[:min(len(visible), 5)], ", ")
		if near := spelling.Nearest(e.Resource, visible); near != "" {
			a.action, a.command = "name it as it is there: "+near, "lakebase doctor "+shellword.Of(near)
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

// visibleTargets lists what the identity can see, as far as that can be had.
func (v *visit) visibleTargets(ctx context.Context) []string {
	var names []string
	instances, _ := v.steps.Workspace.Instances(ctx) // a list that fails is an empty one
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

// checkPooler looks whether the host is the service's own pooler.
func checkPooler(_ context.Context, v *visit) finding {
	for _, s := range v.servers {
		label, domain, _ := strings.Cut(s.Host, ".")
		direct, pooled := strings.CutSuffix(label, "-pooler")
		if !pooled {
			continue
		}
		direct += "." + domain
		if credential(v.steps.Password) == nativePassword && v.isStatic() {
			return found(nil, "%s is a pooler", s.Host).warn("the host is the service's pooler, in transaction mode", advice{
				meaning: "SET, LISTEN, advisory locks and named prepared statements do not outlive a transaction there",
				action:  "if the program needs those, use the direct host " + direct,
			})
		}
		err := &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: s.Host, Message: "the pooler refuses OAuth tokens: use the direct host " + direct}
		return fail(err, "the host is the service's pooler, which refuses tokens", advice{
			meaning: "a host with -pooler takes native passwords alone; every token ends in \"SASL authentication failed\"",
			action:  "use the direct host " + direct, command: "lakebase doctor " + direct,
		})
	}
	return found(nil, "the host is direct")
}
