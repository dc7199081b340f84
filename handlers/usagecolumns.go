package handlers

import (
	"net/http"
	"slices"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
)

// The columns of what pods and nodes take, where a metrics-server is.
const (
	columnCPUUsage    = "cpu_usage"
	columnMemoryUsage = "memory_usage"
)

// usageOf finds what the objects of a list take; nil where nothing measures it, or the person may not see it.
func (s *Server) usageOf(r *http.Request, k *kinds.Kind) func(*kinds.Row) (kube.Usage, bool) {
	c := clusterOf(r)
	if _, ok := c.Measured(k); !ok {
		return nil
	}
	permit, err := s.permit(r, access.VerbMetrics, k, "", "")
	if err != nil {
		return nil
	}
	usage, err := c.Usage(permit, k)
	if err != nil {
		return nil
	}
	return usage
}

// withUsage puts the columns of what objects take behind what they are compared with, or before the age.
func withUsage(k *kinds.Kind, all []tableColumn, usage func(*kinds.Row) (kube.Usage, bool)) []tableColumn {
	after := "restarts"
	cpu, memory := []string{"cpulimit", "cpurequest"}, []string{"memorylimit", "memoryrequest"}
	if k.ID() == kindNodes {
		after, cpu, memory = "memory", []string{"cpu"}, []string{"memory"}
	}
	at := slices.IndexFunc(all, func(c tableColumn) bool { return c.id == after }) + 1
	return slices.Insert(all, at,
		usageColumn(k, columnCPUUsage, kinds.FormCPU, cpu, func(row *kinds.Row) (float64, bool) { u, ok := usage(row); return u.CPU, ok }),
		usageColumn(k, columnMemoryUsage, kinds.FormBytes, memory, func(row *kinds.Row) (float64, bool) { u, ok := usage(row); return u.Memory, ok }),
	)
}

// usageColumn compares what objects take with the first of the columns whole that has a value: the limit of a pod, else
// its request; what a node has to give.
func usageColumn(k *kinds.Kind, id string, form kinds.Form, whole []string, of func(*kinds.Row) (float64, bool)) tableColumn {
	var columns []int
	for _, name := range whole {
		if i, ok := k.Column(name); ok {
			columns = append(columns, i)
		}
	}
	// bound is what there is, and whether that is a hard end.
	bound := func(row *kinds.Row) (most float64, hard bool) {
		for n, i := range columns {
			if i < len(row.Cells) && row.Cells[i].Num > 0 {
				return row.Cells[i].Num, n == 0
			}
		}
		return 0, false
	}
	return tableColumn{
		id: id, form: form, at: -1, shown: true,
		joined: func(row *kinds.Row) kinds.Cell {
			n, ok := of(row)
			if !ok {
				return kinds.Cell{}
			}
			most, hard := bound(row)
			return kinds.Cell{Num: n, Form: form, Tone: usageTone(n, most, hard)}
		},
		most: func(row *kinds.Row) float64 { most, _ := bound(row); return most },
	}
}

// usageTone says how near something is to what it may have. More than was requested is a warning: it is there only as
// long as nobody else wants it.
func usageTone(n, most float64, hard bool) kinds.Tone {
	switch {
	case most <= 0:
		return kinds.ToneNone
	case hard && n >= 0.95*most:
		return kinds.ToneBad
	case hard && n >= 0.8*most, n > most:
		return kinds.ToneWarn
	}
	return kinds.ToneNone
}
