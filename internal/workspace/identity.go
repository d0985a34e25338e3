package workspace

import "context"

// Identity is the caller's, as the workspace knows it.
type Identity struct {
	Name   string   // an email address, or a service principal's application id
	Groups []string // by name; may be incomplete
}

// Me returns the name of the caller's identity.
func (c *Client) Me(ctx context.Context) (string, error) {
	me, err := c.Identity(ctx)
	if err != nil {
		return "", err
	}
	return me.Name, nil
}

// Identity returns the caller's identity.
func (c *Client) Identity(ctx context.Context) (*Identity, error) {
	var me struct {
		UserName string `json:"userName"`
		Groups   []struct {
			Display string `json:"display"`
		} `json:"groups"`
	}
	rep, err := c.get(ctx, "/api/2.0/preview/scim/v2/Me", nil, &me)
	if err != nil {
		return nil, err
	}
	if me.UserName == "" {
		return nil, rep.malformed("it names no user")
	}
	id := &Identity{Name: me.UserName}
	for _, g := range me.Groups {
		id.Groups = append(id.Groups, g.Display)
	}
	return id, nil
}
