package dbsync

import "roomshift/cutover"

// Reading is what is known of one direction, the one into room To, for the data of From..At: how long what is written on the
// other master takes until it is applied on this one, and on every replica that serves reads there. Exactly one of these holds: Unknown says why nothing is known; Idle:
// nothing is under way and the direction is alive; else the lag in seconds is between Lo and Hi, or with LowerBound at least
// Lo (Hi is Lo then: nothing bounds it).
type Reading struct {
	To         cutover.Room
	Lo, Hi     float64
	Idle       bool
	LowerBound bool
	Unknown    cutover.Reason
	Readers    int // so many replicas that serve reads in room To have it, too; of a known lag only
	From, At   cutover.T
}

// Sample is the reading as the engine takes it, for the replication gauge with this index in Plan.Gauges.
func (r Reading) Sample(gauge int) cutover.Sample {
	return cutover.Sample{Gauge: gauge, Room: r.To, Lo: r.Lo, Hi: r.Hi, From: r.From, At: r.At, Unknown: r.Unknown,
		Idle: r.Idle, LowerBound: r.LowerBound}
}

// Samples makes WatchOptions.Put out of the engine's put.
func Samples(gauge int, put func(cutover.Sample)) func(Reading) {
	return func(r Reading) { put(r.Sample(gauge)) }
}

func seconds(t cutover.T) float64 { return t.Duration().Seconds() }
