package doctor

import "regexp"

// credentialForm is what a password turns out to be.
type credentialForm string

const (
	nativePassword credentialForm = "password"
	accessToken    credentialForm = "personal access token"
	webToken       credentialForm = "token"
)

var (
	accessTokenForm = regexp.MustCompile(`^(dapi|dose)[0-9a-f]{8,}`)
	webTokenForm    = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$`)
)

func formOf(password string) credentialForm {
	switch {
	case accessTokenForm.MatchString(password):
		return accessToken
	case webTokenForm.MatchString(password):
		return webToken
	}
	return nativePassword
}
