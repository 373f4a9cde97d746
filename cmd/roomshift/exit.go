package main

import (
	"errors"
	"fmt"

	"roomshift/cutover"
)

// The exit codes have one meaning each; exitMeans is what a person is told.
var exitMeans = map[cutover.Exit]string{
	cutover.ExitDone:        "done",
	cutover.ExitNothing:     "failed, nothing changed",
	cutover.ExitUsage:       "the call or a file is wrong",
	cutover.ExitBack:        "rolled back, verified",
	cutover.ExitStopped:     "stopped part-way or frozen: take over, or go back",
	cutover.ExitUnknown:     "the outcome is unknown: look before acting",
	cutover.ExitNotVerified: "rolled back, not verified",
	cutover.ExitResting:     "resting at a checkpoint",
	cutover.ExitDrift:       "something drifted",
}

// exitError is an error with its exit code. Nothing is printed for a silent one: what it says was said.
type exitError struct {
	code   cutover.Exit
	err    error
	silent bool
}

func (e *exitError) Error() string {
	if e.err == nil {
		return exitMeans[e.code]
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{code: cutover.ExitUsage, err: fmt.Errorf(format, args...)}
}

func said(code cutover.Exit) error {
	if code == cutover.ExitDone {
		return nil
	}
	return &exitError{code: code, silent: true}
}

// exitCode maps an error to its code: one table for the whole program.
func exitCode(err error) cutover.Exit {
	var e *exitError
	switch {
	case err == nil:
		return cutover.ExitDone
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, cutover.ErrOutcomeUnknown):
		return cutover.ExitUnknown
	case errors.Is(err, cutover.ErrLeaseLost):
		return cutover.ExitStopped
	}
	return cutover.ExitNothing
}
