// Package torture moves the write role of real rings over and over while everything that may go wrong does, in the manner of Jepsen: it
// is tests only.
//
// A scene is two masters that replicate to each other, a Consul, and proxies in front of each that understand enough of what goes through
// them to pick a request by what it asks: to hold it, and forward it after its sender is gone, or to lose the answer of one that was
// executed. The tool under test is a process of its own that is killed, frozen, cut off and doubled. Clients write meanwhile, and keep what was
// acknowledged. Nothing in the checks knows how the tool works.
//
// A schedule follows from a seed: the same seed does the same things at the same requests. A failure prints the seed and the command that
// repeats it.
//
//	go test ./torture -v                                            # the short form
//	make torture                                                    # the long one
//	go test ./torture -run Torture/mariadb -moves 200 -seed 7 -v
package torture
