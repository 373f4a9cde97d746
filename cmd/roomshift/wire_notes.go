package main

import (
	"fmt"
	"os"
	"sync"
)

// noter hands on what the rooms' clients say beside their answers: to a run, once there is one.
type noter struct {
	mu   sync.Mutex
	tell func(text string)
}

// onNote makes a run tell it.
func (r *realRooms) onNote(tell func(text string)) {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	r.notes.tell = tell
}

// inARun is for what plan and check --live say by themselves.
func (n *noter) inARun(text string) { n.told(text) }

func (n *noter) told(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tell == nil {
		return false
	}
	n.tell(text)
	return true
}

func (n *noter) always(text string) {
	if !n.told(text) {
		fmt.Fprintln(os.Stderr, "note:", text)
	}
}
