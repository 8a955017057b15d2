package etl

// Wrapper is an optional ability of a part that wraps another one: abilities that
// it does not have itself are looked for in what Unwrap returns.
type Wrapper interface {
	Unwrap() any
}

// Ability returns part as a T, or what it wraps, if one of them is a T.
func Ability[T any](part any) (T, bool) {
	for {
		if t, ok := part.(T); ok {
			return t, true
		}
		w, ok := part.(Wrapper)
		if !ok {
			var none T
			return none, false
		}
		part = w.Unwrap()
	}
}
