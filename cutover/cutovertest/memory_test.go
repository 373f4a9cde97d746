package cutovertest_test

import (
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

func TestMemory(t *testing.T) {
	cutovertest.MediumSuite(t, func(t *testing.T) cutovertest.MediumUnderTest {
		fence := cutover.Fence{Session: "s", Key: "lock/r", Index: 1}
		return cutovertest.NewMemory("memory", [2]cutover.Room{"home", "cloud"}, fence,
			cutover.Seat{Route: "gw", At: "home"}, cutover.Seat{Route: "gw", At: "cloud"}, cutover.Seat{Route: "api"}).UnderTest()
	})
}

func TestMemoryLock(t *testing.T) {
	cutovertest.LockSuite(t, func(t *testing.T) cutovertest.LockUnderTest { return cutovertest.NewMemoryLock().UnderTest() })
}
