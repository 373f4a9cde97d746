package runbooks

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// A share that is neither nothing nor all is carried by a ratio of weights, and each consumer reads its own range of them:
// HAProxy maps a weight w of Consul's to (w+255)/256, so it has 1..255; Envoy gets at most 128; Alibaba Cloud DNS 1..100.
// The smallest share is that of the smallest weight beside the largest, with as many instances or records in both rooms.

// smallest is the smallest share over 0 that a medium carries, and why; 1 if it carries every share that can be written.
func (v *Route) smallest() (Percent, string) {
	switch {
	case v.Medium == MediumService && v.Consumer == "haproxy":
		return 40, "HAProxy reads weights in steps of 256, up to 255 of them"
	case v.Medium == MediumService && v.Consumer == "envoy":
		return 78, "Envoy gets weights from 1 to 128"
	case v.Medium == MediumDNS && v.DNS != nil && v.DNS.Provider == "alidns":
		return 99, "weights of alidns are 1 to 100"
	}
	return 1, ""
}

// checkScale says whether the target's routes can carry the share p of room.
func (b *bookReader) checkScale(n *yaml.Node, target, room string, p Percent) {
	name, _, _ := strings.Cut(target, "@")
	for _, name := range b.chains.expand(name) {
		v := b.chains.route(name)
		if v == nil {
			continue
		}
		if v.Key != nil {
			b.checkUnit(n, v, p)
			continue
		}
		least, why := v.smallest()
		if rest := Whole - p; p > 0 && p < least || rest > 0 && rest < least {
			b.addf(n, RuleScale, why, "%s of %s can't be expressed at %s: want 0%%, 100%% or %s to %s", p.plain(), room, quoted(name), least.plain(), (Whole - least).plain())
			return
		}
	}
}

// checkUnit says whether a number at a key can hold the share in whole units.
func (b *bookReader) checkUnit(n *yaml.Node, v *Route, p Percent) {
	unit, finer := Percent(1), ""
	switch v.Key.As {
	case "percent":
		unit, finer = 100, "permille or basispoints"
		if p%10 != 0 {
			finer = "basispoints"
		}
	case "permille":
		unit, finer = 10, "basispoints"
	}
	if p%unit != 0 {
		b.addf(n, RuleScale, "the gateway must read "+finer+" for that; then write \"as: "+strings.ReplaceAll(finer, " or ", "\" or \"as: ")+"\" in rooms.yaml",
			"%s can't be expressed at %s, which holds whole %s", p.plain(), quoted(v.Name), unitName(v.Key.As))
	}
}

func unitName(as string) string {
	if as == "basispoints" {
		return "basis points"
	}
	return as
}
