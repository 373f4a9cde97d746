package runbooks

import "slices"

// chains finds routes by name and what leads into what. It is made once from rooms that stay as they are: with a thousand
// routes, looking each one up in the list takes longer than reading the file.
type chains struct {
	routes map[string]*Route
	groups map[string][]string
	led    map[string]bool // something leads into it
}

func newChains(rooms *Rooms) *chains {
	c := &chains{routes: make(map[string]*Route, len(rooms.Routes)), groups: make(map[string][]string), led: make(map[string]bool)}
	for i := range rooms.Routes {
		v := &rooms.Routes[i]
		c.routes[v.Name] = v
		if v.Into != "" {
			c.led[v.Into] = true
		}
	}
	for _, g := range rooms.Groups {
		c.groups[g.Name] = g.Routes
	}
	return c
}

// route is the route of that name, nil if there is none.
func (c *chains) route(name string) *Route { return c.routes[name] }

// expand is the routes that a route's or group's name means.
func (c *chains) expand(name string) []string {
	if g, ok := c.groups[name]; ok {
		return g
	}
	if c.routes[name] != nil {
		return []string{name}
	}
	return nil
}

// below is the routes that a route leads into, one after another.
func (c *chains) below(name string) []string {
	var out []string
	for v := c.routes[name]; v != nil && v.Into != "" && len(out) <= len(c.routes); v = c.routes[v.Into] {
		out = append(out, v.Into)
	}
	return out
}

// related says whether one of two routes leads into the other, at whatever distance.
func (c *chains) related(a, b string) bool {
	return slices.Contains(c.below(a), b) || slices.Contains(c.below(b), a)
}

// alone says whether nothing leads into the route and it leads into nothing.
func (c *chains) alone(name string) bool {
	v := c.routes[name]
	return v == nil || v.Into == "" && !c.led[name]
}
