package alidnstest

import "roomshift/aliyun/alitest"

// Fault is what becomes of requests, Kind what kind of fault that is: the emulated wire's.
type (
	Fault = alitest.Fault
	Kind  = alitest.Kind
)

// The kinds of faults.
const (
	Refuse    = alitest.Refuse
	Throttle  = alitest.Throttle
	Hang      = alitest.Hang
	LoseReply = alitest.LoseReply
	Late      = alitest.Late
	Held      = alitest.Held
	Garbage   = alitest.Garbage
	Meanwhile = alitest.Meanwhile
	HalfPage  = alitest.HalfPage
)

// The key that an emulator takes where Options names none.
const (
	TestKeyID  = alitest.TestKeyID
	TestSecret = alitest.TestSecret
)
