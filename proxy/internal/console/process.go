package console

import (
	"runtime/metrics"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func showVersion(p Proxy) []row {
	return []row{{p.Overview().Product}}
}

func showConfig(p Proxy) (rows []row) {
	for _, one := range p.Settings() {
		rows = append(rows, row{one.Key, one.Value, one.Default, yesNo(one.Reloads)})
	}
	return rows
}

// memoryClasses are those of the Go runtime.
var memoryClasses = []struct{ name, used, free string }{
	{"heap", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes"},
	{"stacks", "/memory/classes/heap/stacks:bytes", "/memory/classes/heap/unused:bytes"},
	{"total", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"},
}

func showMemory(Proxy) (rows []row) {
	for _, class := range memoryClasses {
		samples := []metrics.Sample{{Name: class.used}, {Name: class.free}}
		metrics.Read(samples)
		used, free := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		rows = append(rows, row{class.name, 1, used, free, used + free})
	}
	return rows
}

func showState(p Proxy) []row {
	paused, _ := p.Switched(snapshot.Database{})
	return []row{{"active", yesNo(!paused)}, {"paused", yesNo(paused)}, {"suspended", "no"}, {"stopping", yesNo(p.Overview().Closing)}}
}
