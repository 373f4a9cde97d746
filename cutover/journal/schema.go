package journal

import _ "embed"

//go:embed record.schema.json
var schema string

// Schema is the published JSON Schema (draft 2020-12) of one line of a journal.
func Schema() []byte { return []byte(schema) }
