package workspace

import (
	"context"
	"strings"
)

// Role is a Postgres role as the workspace knows it.
type Role struct {
	Name     string // in Postgres
	Identity string // USER, SERVICE_PRINCIPAL or GROUP; empty for a role of Postgres alone
}

// InstanceRoles lists the roles of a Provisioned instance.
func (c *Client) InstanceRoles(ctx context.Context, instance string) ([]Role, error) {
	path, err := join(instancesPath, instance)
	if err != nil {
		return nil, err
	}
	var all []Role
	err = c.pages(ctx, path+"/roles", func() (any, func() string) {
		var page struct {
			Roles []struct {
				Name     string `json:"name"`
				Identity string `json:"identity_type"`
			} `json:"database_instance_roles"`
			Next string `json:"next_page_token"`
		}
		return &page, func() string {
			for _, r := range page.Roles {
				all = append(all, Role{r.Name, identityType(r.Identity)})
			}
			return page.Next
		}
	})
	return all, err
}

// BranchRoles lists the roles of the branch that an endpoint belongs to.
func (c *Client) BranchRoles(ctx context.Context, endpoint string) ([]Role, error) {
	branch, _, _ := strings.Cut(endpoint, "/endpoints/")
	path, err := resourcePath(branch, "projects", "branches")
	if err != nil {
		return nil, err
	}
	var all []Role
	err = c.pages(ctx, path+"/roles", func() (any, func() string) {
		var page struct {
			Roles []struct {
				Status struct {
					Role     string `json:"postgres_role"`
					Identity string `json:"identity_type"`
				} `json:"status"`
			} `json:"roles"`
			Next string `json:"next_page_token"`
		}
		return &page, func() string {
			for _, r := range page.Roles {
				all = append(all, Role{r.Status.Role, identityType(r.Status.Identity)})
			}
			return page.Next
		}
	})
	return all, err
}

// identityType drops what both products call a role without an identity.
func identityType(raw string) string {
	switch raw {
	case "USER", "SERVICE_PRINCIPAL", "GROUP":
		return raw
	}
	return ""
}
