package etl

import "fmt"

// LoadKind says whether a file replaces its table or changes it.
type LoadKind uint8

const (
	// Unknown is the kind of a file that no rule recognises. Such a file is set
	// aside and never guessed at.
	Unknown LoadKind = iota
	// Full is the kind of a file that holds a whole table, or a part of one.
	Full
	// Incremental is the kind of a file that holds changes to a table.
	Incremental
)

// String returns "unknown", "full" or "incremental".
func (k LoadKind) String() string {
	switch k {
	case Full:
		return "full"
	case Incremental:
		return "incremental"
	default:
		return "unknown"
	}
}

// ParseLoadKind is the inverse of [LoadKind.String].
func ParseLoadKind(s string) (LoadKind, error) {
	switch s {
	case "full":
		return Full, nil
	case "incremental":
		return Incremental, nil
	case "unknown":
		return Unknown, nil
	}
	return Unknown, fmt.Errorf("load kind %q is not full, incremental or unknown", s)
}

// MarshalText implements [encoding.TextMarshaler].
func (k LoadKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *LoadKind) UnmarshalText(b []byte) (err error) {
	*k, err = ParseLoadKind(string(b))
	return err
}

// JobFlag is the operators' switch of a table.
type JobFlag string

const (
	// FlagLocal (L) runs the table's loads in this process: a service, the
	// command, or a Lambda function.
	FlagLocal JobFlag = "L"
	// FlagDistributed (G) hands the table's loads to a distributed engine (Glue, Spark).
	FlagDistributed JobFlag = "G"
	// FlagAuto chooses L or G for each load by estimate.
	FlagAuto JobFlag = "auto"
	// FlagPaused (P) plans nothing until an operator says how to go on. Files
	// are still registered.
	FlagPaused JobFlag = "P"
)

// Valid reports whether f is one of the four flags.
func (f JobFlag) Valid() bool {
	switch f {
	case FlagLocal, FlagDistributed, FlagAuto, FlagPaused:
		return true
	}
	return false
}
