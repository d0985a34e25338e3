package rest

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

// protoDuration is a duration in the JSON of protobuf: "300s", "1.5s".
type protoDuration time.Duration

func (d protoDuration) MarshalJSON() ([]byte, error) {
	return json.Marshal(strconv.FormatFloat(time.Duration(d).Seconds(), 'f', -1, 64) + "s")
}

func (d *protoDuration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	digits, ok := strings.CutSuffix(s, "s")
	seconds, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || seconds != seconds || seconds > 1e9 || seconds < -1e9 {
		return apierror.Invalid("'%s' is not a duration: expected seconds with the suffix s, such as 300s", s)
	}
	*d = protoDuration(seconds * float64(time.Second))
	return nil
}
