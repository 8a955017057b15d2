package icebergsink_test

import "maps"

// mode is a way of changing rows, chosen by the table's properties.
type mode struct {
	name  string
	props map[string]string
}

func modes() []mode {
	return []mode{
		{"merge-on-read", nil},
		{"copy-on-write", map[string]string{"tidemark.write-mode": "copy-on-write"}},
		{"auto", map[string]string{"tidemark.write-mode": "auto"}},
		{"v3", map[string]string{"format-version": "3"}},
		{"copy-on-write on v3", map[string]string{"format-version": "3", "tidemark.write-mode": "copy-on-write"}},
		{"auto on v3", map[string]string{"format-version": "3", "tidemark.write-mode": "auto"}},
	}
}

// with returns the properties of the mode and more.
func (m mode) with(more map[string]string) map[string]string {
	props := maps.Clone(m.props)
	if props == nil {
		props = map[string]string{}
	}
	maps.Copy(props, more)
	return props
}
