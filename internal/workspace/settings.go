package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// checkSettings finds the mistakes in a configuration that the SDK would take for
// a workspace that does not answer or does not accept the login. It completes a
// host without a scheme, which the SDK cannot where there is a port.
func checkSettings(config *sdkconfig.Config) error {
	for i := range sdkconfig.ConfigAttributes {
		a := &sdkconfig.ConfigAttributes[i]
		if !a.IsZero(config) && redact.IsTemplate(a.GetString(config)) {
			return fmt.Errorf("%s holds a placeholder that was not filled in: put a value in its place, or unset it", settingName(a, config))
		}
	}
	if err := checkProfile(config); err != nil {
		return err
	}
	if config.Host != "" && !strings.Contains(config.Host, "://") {
		config.Host = "https://" + config.Host
	}
	if err := checkHost(config.Host); err != nil {
		return err
	}
	return checkMethods(config)
}

// settingName is the variable that a setting comes from, or its name in a profile.
func settingName(a *sdkconfig.ConfigAttribute, config *sdkconfig.Config) string {
	if value, variable := a.ReadEnv(); value != "" && strings.TrimSpace(value) == a.GetString(config) {
		return variable
	}
	return a.Name
}

// checkProfile reports a profile without a file, which the SDK ignores.
func checkProfile(config *sdkconfig.Config) error {
	if config.Profile == "" {
		return nil
	}
	if _, err := sdkconfig.LoadFile(config.ConfigFile); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file := "~/.databrickscfg"
	if config.ConfigFile != "" {
		file = config.ConfigFile
	}
	return fmt.Errorf("the profile %q is named, and there is no file %s: run \"databricks auth login --profile %s\", or unset DATABRICKS_CONFIG_PROFILE",
		config.Profile, file, config.Profile)
}

// authTypes are the values of DATABRICKS_AUTH_TYPE for the SDK's groups of
// settings.
var authTypes = map[string]string{
	"oauth": "oauth-m2m", "pat": "pat", "basic": "basic", "azure": "azure-client-secret", "google": "google-credentials",
}

// checkMethods reports settings of several ways to log in, of which the SDK
// chooses none.
func checkMethods(config *sdkconfig.Config) error {
	if config.AuthType != "" {
		return nil
	}
	methods := map[string][]string{}
	for i := range sdkconfig.ConfigAttributes {
		a := &sdkconfig.ConfigAttributes[i]
		if a.HasAuthAttribute() && !a.IsZero(config) {
			methods[a.Auth] = append(methods[a.Auth], settingName(a, config))
		}
	}
	if len(methods) < 2 {
		return nil
	}
	var set, types []string
	for _, method := range slices.Sorted(maps.Keys(methods)) {
		set = append(set, fmt.Sprintf("%s (%s)", method, strings.Join(methods[method], ", ")))
		if t := authTypes[method]; t != "" {
			types = append(types, t)
		}
	}
	return fmt.Errorf("more than one way to log in to the workspace is set: %s: unset all but one, or choose by DATABRICKS_AUTH_TYPE=%s",
		strings.Join(set, " and "), strings.Join(types, " or "))
}

// checkHost refuses hosts that are not URLs, or to which the login would be sent
// without TLS.
func checkHost(host string) error {
	if host == "" {
		return nil
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the workspace's host is not a URL like https://name.cloud.databricks.com")
	case u.Port() != "" && !isPort(u.Port()):
		return errors.New("the port of the workspace's host is not a number from 1 to 65535")
	case inTheClear(u):
		return errors.New("the workspace's host must begin with https://: plain http exposes the login to the network")
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}
