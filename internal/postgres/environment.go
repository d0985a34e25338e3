package postgres

import "os"

// baseEnv is all of our environment that a PostgreSQL program sees: PGDATA,
// PGPORT and their like would change what it does. LC_ALL also keeps macOS from
// starting threads in the postmaster, and messages in English for us to read.
func baseEnv(home string) []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "HOME=" + home}
}
