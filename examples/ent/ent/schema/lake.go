// Package schema describes the entities, from which ent generates the rest.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
)

// Lake is an entity.
type Lake struct{ ent.Schema }

// Fields of a Lake.
func (Lake) Fields() []ent.Field {
	return []ent.Field{
		field.String("name").Unique(),
		field.Int("depth_m").Positive(),
	}
}
