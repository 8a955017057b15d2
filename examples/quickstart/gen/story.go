package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// changeFile is one file of changes.
type changeFile struct {
	name string
	rows [][]string
}

// story makes changes to rows, the same ones whenever it is told.
type story struct {
	at      map[string]int // field of a column
	current map[string][]string
	keys    []string // in an order of chance; those left to pick
	random  *rand.Rand
	fresh   int
	rows    [][]string
	now     time.Time
}

func newStory(names []string, rows [][]string) *story {
	s := &story{at: map[string]int{}, current: map[string][]string{}, random: rand.New(rand.NewPCG(2024, 3))}
	for i, name := range names {
		s.at[name] = i
	}
	for _, row := range rows {
		key := row[s.at["ccn"]]
		if s.current[key] == nil {
			s.keys = append(s.keys, key)
		}
		s.current[key] = append(row, "")
	}
	s.random.Shuffle(len(s.keys), func(i, j int) { s.keys[i], s.keys[j] = s.keys[j], s.keys[i] })
	return s
}

// pick takes n keys that no change has touched yet.
func (s *story) pick(n int) []string {
	out := s.keys[:n]
	s.keys = s.keys[n:]
	return out
}

// files tells the story of one morning.
func (s *story) files() []changeFile {
	var files []changeFile
	file := func(clock string, tell func()) {
		s.rows = nil
		s.now, _ = time.Parse("20060102-150405", "20240318-"+clock)
		tell()
		files = append(files, changeFile{"20240318-" + clock + "000.csv", s.rows})
	}
	twice := "24040348" // in the full load two times
	busy, reopened, late := s.pick(5), s.pick(6), s.pick(12)
	var added, unfounded []string

	file("090000", func() {
		added = s.insert(15)
		s.update(s.pick(30)...)
		s.update(twice)
		for range 3 {
			s.update(busy...) // the same keys several times in one file
		}
		unfounded = s.pick(8)
		s.delete(false, unfounded...)  // with the key alone
		s.delete(true, s.insert(1)...) // came and went
		s.delete(true, reopened...)
	})
	file("091500", func() {
		s.update(busy...) // and again in the next file
		s.update(added[:5]...)
		s.delete(true, added[5:7]...)
		s.restore(reopened...) // deleted before, back again
		s.update(s.pick(20)...)
		s.delete(true, "24999999") // was never there
	})
	file("092000", func() { // this one will arrive after 094500
		s.update(late...)
		s.update(busy...)
		s.update(added[7:12]...)
		s.insert(3)
	})
	file("093000", func() {
		added = append(added, s.insert(10)...)
		s.update(late[:4]...) // newer than in 092000
		s.update(busy[:3]...)
		s.update(s.pick(25)...)
	})
	file("094500", func() {
		s.delete(true, late[4:7]...) // likewise
		s.delete(true, busy[3])
		s.update(added[7:10]...)
		s.update(s.pick(10)...)
	})
	file("100000", func() {
		s.insert(6)
		s.update(late[8:]...)
		s.delete(true, s.pick(4)...)
	})
	return files
}

// tick moves the clock on by a second or so and returns it.
func (s *story) tick() string {
	s.now = s.now.Add(time.Second + time.Duration(s.random.IntN(1000))*time.Millisecond)
	return s.now.Format("2006/01/02 15:04:05.000+00")
}

func (s *story) add(op string, row []string) { s.rows = append(s.rows, append([]string{op}, row...)) }

// insert makes new incidents out of old ones, with numbers that nobody gave.
func (s *story) insert(n int) (keys []string) {
	for range n {
		s.fresh++
		row := slices.Clone(s.current[s.keys[s.random.IntN(len(s.keys))]])
		key := fmt.Sprintf("249%05d", s.fresh)
		s.set(row, "ccn", key)
		s.set(row, "objectid", fmt.Sprint(499000000+s.fresh))
		s.set(row, "report_dat", s.now.Format("2006/01/02 15:04:05+00"))
		s.set(row, "updated_at", s.tick())
		s.current[key] = row
		s.add("I", row)
		keys = append(keys, key)
	}
	return keys
}

// update takes incidents up again: another offense, an end, another method.
func (s *story) update(keys ...string) {
	offenses := []string{"THEFT/OTHER", "ROBBERY", "BURGLARY", "MOTOR VEHICLE THEFT", "THEFT F/AUTO"}
	for _, key := range keys {
		row := slices.Clone(s.current[key])
		s.set(row, "offense", offenses[s.random.IntN(len(offenses))])
		s.set(row, "end_date", s.now.Format("2006/01/02 15:04:05+00"))
		if s.random.IntN(4) == 0 {
			s.set(row, "block", row[s.at["block"]]+`, "REAR", ALLEY`) // needs quotes
		}
		s.set(row, "updated_at", s.tick())
		s.current[key] = row
		s.add("U", row)
	}
}

// restore inserts incidents again that were deleted.
func (s *story) restore(keys ...string) {
	for _, key := range keys {
		row := slices.Clone(s.current[key])
		s.set(row, "updated_at", s.tick())
		s.current[key] = row
		s.add("I", row)
	}
}

// delete writes the key, and where it is timed when, and nothing else.
func (s *story) delete(timed bool, keys ...string) {
	for _, key := range keys {
		row := make([]string, len(s.at))
		s.set(row, "ccn", key)
		if at := s.tick(); timed {
			s.set(row, "updated_at", at)
		}
		s.add("D", row)
	}
}

func (s *story) set(row []string, column, value string) { row[s.at[column]] = value }
