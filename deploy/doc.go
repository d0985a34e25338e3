// Package deploy has the files that run lakebase in containers, in Kubernetes, under
// systemd and launchd, and that watch it: [README.md] says what each is for. Its tests
// check every file by the tool or the types of the program that reads it.
//
// [README.md]: https://github.com/lakebase-go/lakebase/tree/main/deploy
package deploy
