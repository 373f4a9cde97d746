package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkHelp starts the built program for its help, and `true` beside it, so that what the machine takes to start any process
// can be told apart. DESIGN wants less than 50 ms.
func BenchmarkHelp(b *testing.B) {
	program := filepath.Join(b.TempDir(), "roomshift")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	nothing, err := exec.LookPath("true")
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, args ...string) time.Duration {
		began := time.Now()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", name, err, out)
		}
		return time.Since(began)
	}
	run(program, "--help") // its pages are read from disk once
	var help, bare time.Duration
	for b.Loop() {
		help += run(program, "--help")
		bare += run(nothing)
	}
	b.ReportMetric(help.Seconds()*1e3/float64(b.N), "help-ms")
	b.ReportMetric(help.Seconds()/bare.Seconds(), "×true")
}
