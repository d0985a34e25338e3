package workspace

func (c *Client) Close() {}
