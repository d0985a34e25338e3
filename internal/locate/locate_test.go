package locate

import (
	"errors"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

func TestEndpointForTheWantedAccessIsPicked(t *testing.T) {
	t.Parallel()
	all := []workspace.Endpoint{{Name: "ro", ReadOnly: true}, {Name: "rw"}}
	for _, test := range []struct {
		endpoints []workspace.Endpoint
		readOnly  bool
		want      string
	}{
		{all, false, "rw"}, {all, true, "ro"}, {all[1:], true, "rw"}, {all[:1], false, ""}, {nil, true, ""},
	} {
		got, err := pickEndpoint("projects/p/branches/b", test.endpoints, test.readOnly)
		var e *Error
		switch {
		case test.want == "" && (!errors.As(err, &e) || e.Problem != NotFound):
			t.Errorf("%v: got %v, %v", test, got, err)
		case test.want != "" && (err != nil || got.Name != test.want):
			t.Errorf("%v: got %v, %v", test, got, err)
		}
	}
}

func TestStatesThatRefuseConnections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		found   Found
		problem Problem
		text    string
	}{
		{Found{State: workspace.Stopped, RawState: "STOPPED"}, Stopped, "x is stopped (STOPPED)"},
		{Found{State: workspace.Stopped, RawState: DisabledState}, Stopped, "x is disabled"},
		{Found{State: workspace.Deleting}, NotFound, "x is deleting"},
		{Found{State: workspace.Starting}, Unavailable, "x is starting"},
	} {
		var e *Error
		if err := usable("x", test.found); !errors.As(err, &e) || e.Problem != test.problem || e.Error() != test.text || e.Hint == "" {
			t.Errorf("%+v: got %v", test.found, err)
		}
	}
	if err := usable("x", Found{State: workspace.Available}); err != nil {
		t.Error(err)
	}
}

func TestHostsAreComparedAsNames(t *testing.T) {
	t.Parallel()
	if !sameHost("Ep-A.example.", "ep-a.example") || sameHost("", "") || sameHost("a", "b") {
		t.Error("not as names")
	}
	if err := NoHost("x", true); !strings.Contains(err.Error(), "no read-only host") {
		t.Error(err)
	}
}
