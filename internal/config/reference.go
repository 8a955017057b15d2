package config

import _ "embed"

// Reference is a config file with every key that there is, and what it means.
//
//go:embed reference.yaml
var Reference string
