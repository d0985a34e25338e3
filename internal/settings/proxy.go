package settings

// OfProxy returns the settings of a *proxy.Config, for the command that reads
// them. Package proxy sets it: its table is no part of its API.
var OfProxy func(config any) Table
