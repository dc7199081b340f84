package static

import (
	"maps"
	"slices"
)

// Names are the names of all files.
func Names() []string { return slices.Sorted(maps.Keys(table())) }
