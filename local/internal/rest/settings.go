package rest

import (
	"cmp"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// serviceSuspend is the suspend timeout that the API shows if there is none.
const serviceSuspend = 24 * time.Hour

// settingsJSON are endpoint settings on the wire.
type settingsJSON struct {
	MinCU      float64           `json:"autoscaling_limit_min_cu,omitempty"`
	MaxCU      float64           `json:"autoscaling_limit_max_cu,omitempty"`
	Suspend    *protoDuration    `json:"suspend_timeout_duration,omitempty"`
	NoSuspend  bool              `json:"no_suspension,omitempty"`
	PGSettings map[string]string `json:"pg_settings,omitempty"`
}

// model checks the settings.
func (s settingsJSON) model() (model.Settings, error) {
	m := model.Settings{MinCU: s.MinCU, MaxCU: s.MaxCU, NoSuspend: s.NoSuspend}
	if s.Suspend != nil {
		m.Suspend = time.Duration(*s.Suspend)
		if m.Suspend < time.Minute || m.Suspend > 7*24*time.Hour {
			return m, apierror.Invalid("suspend_timeout_duration must be between 60s and 604800s, got %vs.", m.Suspend.Seconds())
		}
	}
	if m.MinCU != 0 && m.MinCU < 0.5 || m.MaxCU != 0 && m.MaxCU < cmp.Or(m.MinCU, 0.5) {
		return m, apierror.Invalid("autoscaling limits must be at least 0.5, and the maximum not below the minimum")
	}
	return m, nil
}

// renderSettings is the reverse of model. It shows the timeout in force.
func (a *API) renderSettings(s model.Settings) settingsJSON {
	j := settingsJSON{MinCU: s.MinCU, MaxCU: s.MaxCU, NoSuspend: s.NoSuspend}
	if !s.NoSuspend {
		suspend := protoDuration(cmp.Or(a.ws.SuspendAfter(s), serviceSuspend))
		j.Suspend = &suspend
	}
	return j
}

// settings returns old with the fields under prefix changed that the mask
// names. suspension stands for the two fields that set it.
func (m fieldMask) settings(prefix string, old, in model.Settings) model.Settings {
	set(m, prefix+".autoscaling_limit_min_cu", &old.MinCU, in.MinCU)
	set(m, prefix+".autoscaling_limit_max_cu", &old.MaxCU, in.MaxCU)
	if m.has(prefix+".suspension") && (in.Suspend != 0 || in.NoSuspend) {
		old.Suspend, old.NoSuspend = in.Suspend, in.NoSuspend
	}
	return old.WithDefaults(model.Settings{})
}

// groupJSON is the high availability of an endpoint on the wire.
type groupJSON struct {
	Min      int  `json:"min"`
	Max      int  `json:"max"`
	Readable bool `json:"enable_readable_secondaries"`
}

func (g *groupJSON) model() model.Availability {
	if g == nil {
		return model.Availability{}
	}
	return model.Availability(*g)
}

// availability returns old with the fields changed that the mask names.
func (m fieldMask) availability(old model.Availability, in *groupJSON) model.Availability {
	if in == nil {
		return old
	}
	if m.has("spec.group.min") {
		old.Min = in.Min
	}
	if m.has("spec.group.max") {
		old.Max = in.Max
	}
	if m.has("spec.group.enable_readable_secondaries") {
		old.Readable = in.Readable
	}
	return old
}
