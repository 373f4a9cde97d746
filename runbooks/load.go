package runbooks

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// shipped holds the runbooks that can be named without a path, the files that init writes, and the published schemas.
//
//go:embed library/*.yaml init/*.yaml schema/*.json
var shipped embed.FS

// roomsName is the file that says what exists.
const roomsName = "rooms.yaml"

// Loaded is a runbook and its rooms as read from files. With Problems, Rooms and Book are what could be made out of the rest,
// may be nil, and are good for nothing but finding more problems.
type Loaded struct {
	Rooms               *Rooms
	Book                *Runbook
	RoomsFile, BookFile string
	RoomsSrc, BookSrc   []byte
	Problems            []Problem
}

// Load reads a runbook and its rooms. Book is a file or, if there is none of that name, a shipped runbook, which goes with
// the shipped rooms; roomsPath "" is rooms.yaml beside the runbook. Only what can't be read is an error; what is wrong in the
// files is in Problems, sorted.
func Load(book, roomsPath string) (*Loaded, error) {
	l := &Loaded{BookFile: book, RoomsFile: roomsPath}
	if err := l.readBook(book); err != nil {
		return nil, err
	}
	if l.RoomsSrc == nil {
		if l.RoomsFile == "" {
			l.RoomsFile = filepath.Join(filepath.Dir(l.BookFile), roomsName)
		}
		src, err := os.ReadFile(l.RoomsFile)
		if err != nil {
			return nil, fmt.Errorf("read the rooms: %w; name the file with --rooms FILE", err)
		}
		l.RoomsSrc = src
	}
	rooms, problems := LoadRooms(l.RoomsFile, l.RoomsSrc)
	book2, more := LoadRunbook(l.BookFile, l.BookSrc, rooms)
	l.Rooms, l.Book, l.Problems = rooms, book2, append(problems, more...)
	Sort(l.Problems)
	return l, nil
}

// roomsKey and bookKey begin a line of rooms.yaml and of a runbook, and never of the other.
var (
	roomsKey = regexp.MustCompile(`(?m)^(rooms|routes):`)
	bookKey  = regexp.MustCompile(`(?m)^(move|steps|evacuate):`)
)

// runbooksIn says which runbooks a folder has, to choose from.
func runbooksIn(dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return ""
	}
	files = slices.DeleteFunc(files, func(file string) bool {
		src, err := os.ReadFile(file)
		return err != nil || !bookKey.Match(src)
	})
	switch {
	case len(files) == 0:
		return ""
	case len(files) > 5:
		files = append(files[:5], "…")
	}
	return ": " + strings.Join(files, ", ")
}

// readBook reads the runbook's text, and the rooms' when both are shipped.
func (l *Loaded) readBook(book string) error {
	src, err := os.ReadFile(book)
	if err == nil {
		l.BookSrc = src
		if roomsKey.Match(src) && !bookKey.Match(src) {
			return fmt.Errorf("%s says what rooms there are; a runbook, which says what to do with them, is wanted%s", book, runbooksIn(filepath.Dir(book)))
		}
		return nil
	}
	if info, errStat := os.Stat(book); errStat == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder, and a runbook is wanted%s", book, runbooksIn(book))
	}
	if !slices.Contains(Library(), book) {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no such runbook: %s is neither a file nor a shipped one; shipped are %s%s",
				book, strings.Join(Library(), ", "), meant(book, Library()))
		}
		return fmt.Errorf("read the runbook: %w", err)
	}
	l.BookFile = "library/" + book + ".yaml"
	if l.BookSrc, err = shipped.ReadFile(l.BookFile); err != nil {
		return fmt.Errorf("read the shipped runbook %s: %w", book, err)
	}
	if l.RoomsFile != "" {
		return nil
	}
	l.RoomsFile = "library/" + roomsName
	if l.RoomsSrc, err = shipped.ReadFile(l.RoomsFile); err != nil {
		return fmt.Errorf("read the shipped rooms: %w", err)
	}
	return nil
}

// Library is the names of the shipped runbooks, sorted.
func Library() []string {
	var names []string
	for name := range embedded("library") {
		if name != roomsName {
			names = append(names, strings.TrimSuffix(name, ".yaml"))
		}
	}
	slices.Sort(names)
	return names
}

// InitFiles is the first files of a newcomer by name: rooms.yaml and a runbook.
func InitFiles() map[string][]byte { return embedded("init") }

// embedded is the files of one shipped folder, by name.
func embedded(dir string) map[string][]byte {
	entries, err := shipped.ReadDir(dir)
	if err != nil {
		panic(err) // the folder is part of the program
	}
	files := make(map[string][]byte, len(entries))
	for _, e := range entries {
		text, err := shipped.ReadFile(dir + "/" + e.Name())
		if err != nil {
			panic(err)
		}
		files[e.Name()] = text
	}
	return files
}

// Schema is the published JSON Schema (draft 2020-12) of "rooms" or "runbook"; nil for another kind.
func Schema(kind string) []byte {
	text, err := shipped.ReadFile("schema/" + kind + ".schema.json")
	if err != nil {
		return nil
	}
	return text
}
