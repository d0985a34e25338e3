package workspace

import (
	"context"
	"strings"
)

// Role is a Postgres role as the workspace lists it.
type Role struct {
	Name     string // in Postgres
	Identity string // USER, SERVICE_PRINCIPAL or GROUP; empty for a native role
}

type instanceRoleJSON struct {
	Name     string `json:"name"`
	Identity string `json:"identity_type"`
}

func (j *instanceRoleJSON) role() Role { return Role{j.Name, identityType(j.Identity)} }

type branchRoleJSON struct {
	Status struct {
		Role     string `json:"postgres_role"`
		Identity string `json:"identity_type"`
	} `json:"status"`
}

func (j *branchRoleJSON) role() Role { return Role{j.Status.Role, identityType(j.Status.Identity)} }

// identityType drops the values by which both products mark a native role.
func identityType(raw string) string {
	switch raw {
	case "USER", "SERVICE_PRINCIPAL", "GROUP":
		return raw
	}
	return ""
}

// InstanceRoles lists the roles of a Provisioned instance.
func (c *Client) InstanceRoles(ctx context.Context, instance string) ([]Role, error) {
	path, err := join(instancesPath, instance)
	if err != nil {
		return nil, err
	}
	return list(ctx, c, path+"/roles", "database_instance_roles", (*instanceRoleJSON).role)
}

// BranchRoles lists the roles of the branch that an endpoint belongs to.
func (c *Client) BranchRoles(ctx context.Context, endpoint string) ([]Role, error) {
	branch, _, _ := strings.Cut(endpoint, "/endpoints/")
	path, err := resourcePath(branch, "projects", "branches")
	if err != nil {
		return nil, err
	}
	return list(ctx, c, path+"/roles", "roles", (*branchRoleJSON).role)
}
