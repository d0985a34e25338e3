package proxy

import "github.com/lakebase-go/lakebase/internal/pgwire"

// refusal answers requests that no server will see: each Query and each group
// up to a Sync with the error, outside a transaction. ok is false if the last
// one is not complete, so that the answer cannot be known.
func refusal(requests []byte, e *pgwire.Error) (answer []byte, ok bool) {
	refused := *e
	refused.Severity = "ERROR"
	scanner := pgwire.Scanner{}
	pending := false
	for len(requests) > 0 {
		span, err := scanner.Next(requests)
		if err != nil || !span.Whole() {
			return nil, false
		}
		requests = requests[span.Size:]
		switch pgwire.ClientType(span.Type) {
		case pgwire.ClientQuery, pgwire.ClientFunctionCall:
			answer = pgwire.AppendReadyForQuery(refused.Append(answer), pgwire.TxIdle)
			pending = false
		case pgwire.ClientSync:
			if pending {
				answer = refused.Append(answer)
			}
			answer = pgwire.AppendReadyForQuery(answer, pgwire.TxIdle)
			pending = false
		case pgwire.ClientTerminate, pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		default:
			pending = true
		}
	}
	return answer, !pending
}
