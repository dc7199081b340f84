package kinds

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The words for how full a quota is.
const (
	WordAtLimit     = "AtLimit"     // nothing more of some resource is admitted
	WordNearLimit   = "NearLimit"   // nine tenths of some resource are used
	WordWithinLimit = "WithinLimit" // there is room
)

const (
	nearlyFull    = 0.9
	roundingError = 1e-6 // of a percentage, which is otherwise never rounded up: 99% is not full
)

var quotaKind = Define(Kind{
	GVR: corev1.SchemeGroupVersion.WithResource("resourcequotas"), Name: "ResourceQuota", Plural: "ResourceQuotas", Short: []string{"quota"},
	Namespaced: true, Menu: MenuConfig, Facets: []string{"status"},
},
	Reads[corev1.ResourceQuota]{Status: quotaStatus, Detail: quotaDetail},
	ColumnOf[corev1.ResourceQuota]{Column{ID: "fullest", Form: FormRatio}, quotaFullest},
	ColumnOf[corev1.ResourceQuota]{Column{ID: "status", Form: FormStatus}, nil},
	ColumnOf[corev1.ResourceQuota]{Column{ID: "quotarequests", Form: FormName, Search: true}, func(q *corev1.ResourceQuota) Cell { return Name(quotaText(q, false)) }},
	ColumnOf[corev1.ResourceQuota]{Column{ID: "quotalimits", Form: FormName, Search: true}, func(q *corev1.ResourceQuota) Cell { return Name(quotaText(q, true)) }},
	ColumnOf[corev1.ResourceQuota]{Column{ID: "age", Form: FormAge}, func(q *corev1.ResourceQuota) Cell { return Age(unix(q.CreationTimestamp)) }},
)

// quotaItem is one resource of a quota.
type quotaItem struct {
	name       string
	used, hard resource.Quantity
}

// fullness is the part that is used. What a quota forbids altogether is not
// full: nobody can use it up.
func (q *quotaItem) fullness() float64 {
	if q.hard.IsZero() {
		if q.used.IsZero() {
			return 0
		}
		return 1
	}
	return q.used.AsApproximateFloat64() / q.hard.AsApproximateFloat64()
}

func (q *quotaItem) text() string { return q.used.String() + "/" + q.hard.String() }

func (q *quotaItem) tone() Tone {
	switch f := q.fullness(); {
	case f >= 1:
		return ToneWarn
	case f >= nearlyFull:
		return ToneInfo
	default:
		return ToneNone
	}
}

// quotaItems are the resources that a quota counts, by name.
func quotaItems(q *corev1.ResourceQuota) []quotaItem {
	out := make([]quotaItem, 0, len(q.Status.Hard))
	for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
		out = append(out, quotaItem{string(name), q.Status.Used[name], q.Status.Hard[name]})
	}
	return out
}

// quotaFullest is the resource that will be refused first.
func quotaFullest(q *corev1.ResourceQuota) Cell {
	items := quotaItems(q)
	if len(items) == 0 {
		return Cell{}
	}
	i := slices.MaxFunc(items, func(a, b quotaItem) int { return cmp.Compare(a.fullness(), b.fullness()) })
	return Cell{Text: i.name + " " + i.text(), Num: i.fullness(), Form: FormRatio, Tone: i.tone()}
}

// quotaText is kubectl's column of requests and everything else, or of limits.
func quotaText(q *corev1.ResourceQuota, limits bool) string {
	var parts []string
	items := quotaItems(q)
	for i := range items {
		if strings.HasPrefix(items[i].name, "limits.") == limits {
			parts = append(parts, items[i].name+": "+items[i].text())
		}
	}
	return cut(strings.Join(parts, ", "), cellLimit)
}

func quotaStatus(q *corev1.ResourceQuota) Status {
	if t, ok := terminating(q); ok {
		return t
	}
	if len(q.Status.Hard) == 0 && len(q.Spec.Hard) > 0 {
		return Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "quota.unseen"}}
	}
	var full, nearly []string
	items := quotaItems(q)
	for i := range items {
		switch f := items[i].fullness(); {
		case f >= 1:
			full = append(full, items[i].name+" "+items[i].text())
		case f >= nearlyFull:
			nearly = append(nearly, items[i].name+" "+items[i].text())
		}
	}
	said := func(list []string) Message {
		return Message{ID: "quota.used", Args: map[string]any{"Resources": cut(strings.Join(list, ", "), reasonLimit)}}
	}
	switch {
	case len(full) > 0:
		return Status{Word: WordAtLimit, Tone: ToneWarn, Reason: said(full)}
	case len(nearly) > 0:
		return Status{Word: WordNearLimit, Tone: ToneInfo, Reason: said(nearly)}
	case len(items) == 0:
		return Status{}
	default:
		return Status{Word: WordWithinLimit, Tone: ToneOK}
	}
}

func quotaDetail(q *corev1.ResourceQuota, d *Detail) {
	d.add("scopes", names(quotaScopes(q))...)
	d.add("finalizers", names(q.Finalizers)...)
	quota := Table{ID: "quota", Columns: []Column{
		{ID: "resource", Form: FormName}, {ID: "used", Form: FormName}, {ID: "hard", Form: FormName}, {ID: "usedpart", Form: FormRatio},
	}}
	items := quotaItems(q)
	for i := range items {
		item := &items[i]
		quota.Rows = append(quota.Rows, []Value{
			{Cell: Name(item.name)},
			{Cell: Name(item.used.String())},
			{Cell: Name(item.hard.String())},
			{Cell: Cell{Text: strconv.Itoa(int(item.fullness()*100+roundingError)) + "%", Num: item.fullness(), Form: FormRatio, Tone: item.tone()}},
		})
	}
	d.addTable(quota)
}

func quotaScopes(q *corev1.ResourceQuota) []string {
	var out []string
	for _, s := range q.Spec.Scopes {
		out = append(out, string(s))
	}
	if q.Spec.ScopeSelector != nil {
		for _, e := range q.Spec.ScopeSelector.MatchExpressions {
			text := string(e.ScopeName) + " " + string(e.Operator)
			if len(e.Values) > 0 {
				text += " " + strings.Join(e.Values, ", ")
			}
			out = append(out, text)
		}
	}
	return out
}

var limitRangeKind = Define(Kind{
	GVR: corev1.SchemeGroupVersion.WithResource("limitranges"), Name: "LimitRange", Plural: "LimitRanges", Short: []string{"limits"},
	Namespaced: true, Menu: MenuConfig,
},
	Reads[corev1.LimitRange]{Detail: limitRangeDetail},
	ColumnOf[corev1.LimitRange]{Column{ID: "types", Form: FormText, Search: true}, limitTypes},
	ColumnOf[corev1.LimitRange]{Column{ID: "age", Form: FormAge}, func(l *corev1.LimitRange) Cell { return Age(unix(l.CreationTimestamp)) }},
)

func limitTypes(l *corev1.LimitRange) Cell {
	var types []corev1.LimitType
	for i := range l.Spec.Limits {
		if t := l.Spec.Limits[i].Type; !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return Text(join(types))
}

func limitRangeDetail(l *corev1.LimitRange, d *Detail) {
	d.add("finalizers", names(l.Finalizers)...)
	limits := Table{ID: "limits", Columns: []Column{
		{ID: "type", Form: FormText},
		{ID: "resource", Form: FormName},
		{ID: "min", Form: FormName},
		{ID: "max", Form: FormName},
		{ID: "defaultrequest", Form: FormName},
		{ID: "defaultlimit", Form: FormName},
		{ID: "maxratio", Form: FormName},
	}}
	for i := range l.Spec.Limits {
		item := &l.Spec.Limits[i]
		lists := []corev1.ResourceList{item.Min, item.Max, item.DefaultRequest, item.Default, item.MaxLimitRequestRatio}
		var resources []corev1.ResourceName
		for _, list := range lists {
			for name := range list {
				if !slices.Contains(resources, name) {
					resources = append(resources, name)
				}
			}
		}
		slices.Sort(resources)
		for _, name := range resources {
			line := []Value{{Cell: Text(string(item.Type))}, {Cell: Name(string(name))}}
			for _, list := range lists {
				cell := Cell{}
				if q, ok := list[name]; ok {
					cell = Name(q.String())
				}
				line = append(line, Value{Cell: cell})
			}
			limits.Rows = append(limits.Rows, line)
		}
	}
	d.addTable(limits)
}
