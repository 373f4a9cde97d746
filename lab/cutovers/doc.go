// Package cutovers holds the cases that run the real roomshift on the lab's real servers, with traffic flowing. It has tests
// only.
package cutovers
