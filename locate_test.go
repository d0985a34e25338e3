package lakebase

import (
	"errors"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

func TestEndpointForTheWantedAccessIsPicked(t *testing.T) {
	t.Parallel()
	all := []workspace.Endpoint{{Name: "ro", Spec: workspace.EndpointStatus{Type: "ENDPOINT_TYPE_READ_ONLY"}}, {Name: "rw"}}
	for _, test := range []struct {
		endpoints []workspace.Endpoint
		readOnly  bool
		want      string
	}{
		{all, false, "rw"}, {all, true, "ro"}, {all[1:], true, "rw"}, {all[:1], false, ""}, {nil, true, ""},
	} {
		got, err := pickEndpoint("projects/p/branches/b", test.endpoints, test.readOnly)
		switch {
		case test.want == "" && errorKind(err) != KindNotFound:
			t.Errorf("%v: got %v, %v", test, got, err)
		case test.want != "" && (err != nil || got.Name != test.want):
			t.Errorf("%v: got %v, %v", test, got, err)
		}
	}
}

func TestStatesThatRefuseConnections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		target  steps.Target
		kind    Kind
		stopped bool
		text    string
	}{
		{steps.Target{State: workspace.Stopped, RawState: "STOPPED"}, KindUnavailable, true, "lakebase: x: is stopped (STOPPED)"},
		{steps.Target{State: workspace.Stopped, RawState: disabledState}, KindUnavailable, true, "lakebase: x: is disabled"},
		{steps.Target{State: workspace.Deleting}, KindNotFound, false, "lakebase: x: is deleting"},
		{steps.Target{State: workspace.Starting}, KindUnavailable, false, "lakebase: x: is starting"},
	} {
		var e *Error
		test.target.Instance = "x"
		if err := usable(test.target); !errors.As(err, &e) || e.Kind != test.kind || e.stopped != test.stopped || e.Error() != test.text || e.Hint == "" {
			t.Errorf("%+v: got %v", test.target, err)
		}
	}
	if err := usable(steps.Target{State: workspace.Available}); err != nil {
		t.Error(err)
	}
}

func TestHostsAreComparedAsNames(t *testing.T) {
	t.Parallel()
	if !sameHost("Ep-A.example.", "ep-a.example") || sameHost("", "") || sameHost("a", "b") {
		t.Error("not as names")
	}
	if err := noHost("x", true, false); !strings.Contains(err.Error(), "no read-only host") {
		t.Error(err)
	}
}
