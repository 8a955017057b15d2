package etl

import "time"

// FileStatus is where a file stands in its life.
type FileStatus string

// The statuses of a file.
const (
	Pending    FileStatus = "pending"    // waits for its turn
	Deferred   FileStatus = "deferred"   // waits for an open full load
	Running    FileStatus = "running"    // part of the load that runs
	Applied    FileStatus = "applied"    // in the table
	Failed     FileStatus = "failed"     // its load failed; the table is paused
	Skipped    FileStatus = "skipped"    // passed over by an operator
	Superseded FileStatus = "superseded" // overtaken by a full load or by a newer version of it
	SetAside   FileStatus = "set_aside"  // not recognised, or late with no order to tell where it belongs
	Vanished   FileStatus = "vanished"   // gone from its source before it was applied
)

// FileRecord is the ledger's record of one file.
type FileRecord struct {
	File
	// Table is the table that the file feeds; empty while it is not known.
	Table string `json:"table"`
	// Kind and Order are what the layout, or an operator, says of the file.
	Kind  LoadKind `json:"kind"`
	Order string   `json:"order"`
	// Status is where the file stands.
	Status FileStatus `json:"status"`
	// Epoch is the epoch that the file was applied in, is loaded for, waits
	// for or was superseded by.
	Epoch int64 `json:"epoch"`
	// LoadID is the load that the file runs, failed or was applied in.
	LoadID string `json:"load_id,omitempty"`
	// Registered and Updated are when the record was made and last changed, by
	// the clock of the process that did.
	Registered time.Time `json:"registered"`
	Updated    time.Time `json:"updated"`
	// Note says why the file was set aside, superseded, skipped or failed.
	Note string `json:"note,omitempty"`
	// Accepted is set once an operator has said that the file may be applied
	// although it comes late.
	Accepted bool `json:"accepted,omitempty"`
	// InTable is set while the table holds the file although its status is not
	// Applied: while a reload, or a newer full load, is open. If that is given
	// up, the file is Applied again.
	InTable bool `json:"in_table,omitempty"`
}

// Landed is when the file landed: its ModTime, or when it was registered if
// its store does not tell.
func (r FileRecord) Landed() time.Time {
	if r.ModTime.IsZero() {
		return r.Registered
	}
	return r.ModTime
}

// State is what the control store knows of one table.
type State struct {
	// Table is the table's name.
	Table string `json:"table"`
	// Version is the store's, for compare-and-swap; 0 before the first update.
	Version int64 `json:"version"`
	// Token is that of the update that wrote the state: who got no answer to an
	// update finds out by it whether it was stored.
	Token string `json:"token,omitempty"`
	// Flag is L, G, auto or P; empty before the table is first registered.
	Flag JobFlag `json:"flag"`
	// ResumeTo is the flag before P.
	ResumeTo JobFlag `json:"resume_to,omitempty"`
	// Paused says why and since when the flag is P.
	Paused   *Diagnosis `json:"paused,omitempty"`
	PausedAt time.Time  `json:"paused_at,omitzero"`

	// Epoch counts the full loads that the table has taken.
	Epoch int64 `json:"epoch"`
	// EpochLanded is when the first file of the full load that made Epoch
	// landed. Change files that landed before it are superseded.
	EpochLanded time.Time `json:"epoch_landed,omitzero"`
	// Watermark is the order of the last change file applied in this epoch,
	// WatermarkFile its location.
	Watermark     string `json:"watermark,omitempty"`
	WatermarkFile string `json:"watermark_file,omitempty"`
	// Open is the full load that is being collected or waits to be applied.
	Open *OpenLoad `json:"open,omitempty"`
	// Running is the load that somebody works on, or worked on when they died.
	Running *Load `json:"running,omitempty"`
	// Begun is how often Running was begun. Each time but the last the process
	// died, lost its lease or ran out of time.
	Begun int `json:"begun,omitempty"`
	// Fence is the highest fence under which the state was written.
	Fence int64 `json:"fence"`
	// Job is the job that Running was handed to, or is about to be.
	Job *JobState `json:"job,omitempty"`
	// Staged is how many files of Running are staged.
	Staged int `json:"staged,omitempty"`
	// Staging is the epoch of the load that the sink may hold a staging of; 0 is none.
	Staging int64 `json:"staging,omitempty"`
	// Trouble is what stood in the way of Running last without being final.
	Trouble *Trouble `json:"trouble,omitempty"`
	// Pace is how fast loads of the table went in this process; [FlagAuto] goes by it.
	Pace *Pace `json:"pace,omitempty"`

	// Erasures are the keys that were erased from the table; nil is none.
	Erasures *Erasures `json:"erasures,omitempty"`

	// Evolved is what evolution has made of the table's columns.
	Evolved []EvolvedColumn `json:"evolved,omitempty"`
	// Evolving is what the files of Running make of them, where it is staged and a
	// process has looked at all of its files.
	Evolving *SchemaRecord `json:"evolving,omitempty"`

	// Disposals are files that the source has yet to tidy up, where it is a
	// [Disposer].
	Disposals []Disposal `json:"disposals,omitempty"`

	// LastApplied and LastFailed are the last files applied and failed.
	LastApplied *LastFile `json:"last_applied,omitempty"`
	LastFailed  *LastFile `json:"last_failed,omitempty"`
}

// OpenLoad is a full load before its swap.
type OpenLoad struct {
	// Epoch is the one that the load will open.
	Epoch int64 `json:"epoch"`
	// Landed is when the first of its files landed.
	Landed time.Time `json:"landed"`
	// Seen is when the last of its files was registered.
	Seen time.Time `json:"seen"`
	// Files counts its files.
	Files int `json:"files"`
	// Complete is set once no more files are expected.
	Complete bool `json:"complete"`
}

// Trouble is an error that the next attempt may not meet.
type Trouble struct {
	// Cause is the last one's text. It holds no cell values.
	Cause string `json:"cause"`
	// Count is how many there were since the load was planned.
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// Pace is a moving average over loads, of which the last one counts a quarter.
type Pace struct {
	// BytesPerSecond and BytesPerRow are of the files as they lie in the source.
	BytesPerSecond int64 `json:"bytes_per_second"`
	BytesPerRow    int64 `json:"bytes_per_row"`
	// Loads counts the loads that it is made of.
	Loads int `json:"loads"`
}

// LastFile names a file, its load, and when.
type LastFile struct {
	Location string    `json:"location"`
	LoadID   string    `json:"load_id"`
	At       time.Time `json:"at"`
}

// Update is one atomic change of a control store.
type Update struct {
	// State replaces the state of State.Table if the stored version is
	// State.Version. The stored state gets State.Version+1, and as its fence
	// the greatest of the stored one, State.Fence and Fence.
	State State
	// Fence is that of the writer's lease; 0 where the write needs no lease.
	Fence int64
	// Insert are records that must not exist yet.
	Insert []FileRecord
	// Put are records that replace those of the same ID, under whichever table
	// they stood before, or are added where there is none.
	Put []FileRecord
	// Entries are appended to the history of State.Table.
	Entries []Entry
}

// FileQuery selects records of the ledger.
type FileQuery struct {
	// Table is the table; empty selects files whose table is not known.
	Table string
	// Statuses, Kind and IDs restrict the records; empty ones do not.
	Statuses []FileStatus
	Kind     LoadKind
	IDs      []string
	// AnyTable selects records of the given IDs under whatever table they stand.
	// It goes with IDs only.
	AnyTable bool
	// Limit is the greatest number of records; 0 is all.
	Limit int
}

// EntryKind says what a history entry records.
type EntryKind string

// The kinds of history entries.
const (
	EntryApplied     EntryKind = "applied"  // a load was committed
	EntryFailed      EntryKind = "failed"   // a load failed and the table was paused
	EntryOpened      EntryKind = "opened"   // a full load was opened
	EntryOperator    EntryKind = "operator" // an operator's verb
	EntrySetAside    EntryKind = "set_aside"
	EntryQuarantined EntryKind = "quarantined" // rows of a load were set aside
	EntryErased      EntryKind = "erased"      // keys were erased, or older versions of the table removed for it
	EntryEvolved     EntryKind = "evolved"     // a load changed the table's columns
	EntryRebuilt     EntryKind = "rebuilt"     // the state was rebuilt from the table
	EntryJob         EntryKind = "job"         // a job was submitted, ended or handed over
	EntryChecked     EntryKind = "checked"     // a check warns of a file of a staged load
)

// Entry is one line of a table's history.
type Entry struct {
	At        time.Time  `json:"at"`
	Table     string     `json:"table"`
	Kind      EntryKind  `json:"kind"`
	Text      string     `json:"text"`
	LoadID    string     `json:"load_id,omitempty"`
	LoadKind  LoadKind   `json:"load_kind,omitempty"`
	Epoch     int64      `json:"epoch,omitempty"`
	Files     int        `json:"files,omitempty"`
	LastFile  string     `json:"last_file,omitempty"`
	Receipt   *Receipt   `json:"receipt,omitempty"`
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`
	// Checks are the verdicts on a load that was held back, or those against a staged
	// file. Those on a load that was applied are in its receipt.
	Checks []Checked `json:"checks,omitempty"`
	// Erasure is what an erasure did. It holds no key.
	Erasure *ErasureReport `json:"erasure,omitempty"`
	// Took is how long the load took from plan to commit.
	Took time.Duration `json:"took,omitempty"`
	// Engine is where the load ran, or was to run, and Route why.
	Engine JobFlag `json:"engine,omitempty"`
	Route  string  `json:"route,omitempty"`
	// Job names the job, where the load was one.
	Job *JobRef `json:"job,omitempty"`
}
