package kinds

import (
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

var extensionKinds = slices.Concat([]*Kind{
	Define(Kind{
		GVR:  apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"),
		Name: "CustomResourceDefinition", Plural: "CustomResourceDefinitions", Short: []string{"crd", "crds"},
		Menu: MenuCluster, Facets: []string{"status", "group", "scope"},
	},
		Reads[apiextensionsv1.CustomResourceDefinition]{
			Status: definitionStatus, Refs: definitionRefs, Detail: definitionDetail,
			Keep: func(d *apiextensionsv1.CustomResourceDefinition) any { return DefinitionOf(d) },
		},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "objectkind", Form: FormName, Search: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Name(d.Spec.Names.Kind) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "group", Form: FormName, Search: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Name(d.Spec.Group) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "versions", Form: FormName, Search: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Name(join(servedVersions(d))) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "stored", Form: FormName, Search: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Name(join(d.Status.StoredVersions)) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "scope", Form: FormText}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Text(string(d.Spec.Scope)) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "shortnames", Form: FormName, Hidden: true, Search: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Name(join(d.Spec.Names.ShortNames)) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "categories", Form: FormName, Hidden: true, Search: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Name(join(d.Spec.Names.Categories)) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "conversion", Form: FormText, Hidden: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Text(conversion(d)) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "created", Form: FormTime, Hidden: true}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return instant(unix(d.CreationTimestamp)) }},
		ColumnOf[apiextensionsv1.CustomResourceDefinition]{Column{ID: "age", Form: FormAge}, func(d *apiextensionsv1.CustomResourceDefinition) Cell { return Age(unix(d.CreationTimestamp)) }},
	),
}, apiServiceKinds, certificateKinds)

// WordNamesTaken is the status of a definition whose names another one has.
const WordNamesTaken = "NamesTaken"

// servedVersions are the versions that the API server answers for.
func servedVersions(d *apiextensionsv1.CustomResourceDefinition) []string {
	var out []string
	for i := range d.Spec.Versions {
		if d.Spec.Versions[i].Served {
			out = append(out, d.Spec.Versions[i].Name)
		}
	}
	return out
}

// conversion is how objects go from one version to another; the API's default
// only changes the version's name.
func conversion(d *apiextensionsv1.CustomResourceDefinition) string {
	if d.Spec.Conversion == nil {
		return ""
	}
	return string(d.Spec.Conversion.Strategy)
}

// conversionService is the service that converts between versions. While it is
// away, no object of the kind can be read in another version than it is stored.
func conversionService(d *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.ServiceReference {
	if c := d.Spec.Conversion; c != nil && c.Webhook != nil && c.Webhook.ClientConfig != nil {
		return c.Webhook.ClientConfig.Service
	}
	return nil
}

func definitionCondition(d *apiextensionsv1.CustomResourceDefinition, t apiextensionsv1.CustomResourceDefinitionConditionType) *apiextensionsv1.CustomResourceDefinitionCondition {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == t {
			return c
		}
	}
	return nil
}

// definitionStatus says whether objects of the definition can be had at all,
// and if so what the API server finds wrong with it.
func definitionStatus(d *apiextensionsv1.CustomResourceDefinition) Status {
	if s, ok := terminating(d); ok {
		if slices.Contains(d.Finalizers, apiextensionsv1.CustomResourceCleanupFinalizer) {
			s.Reason = Message{ID: "crd.instances"}
			if c := definitionCondition(d, apiextensionsv1.Terminating); c == nil || c.Reason == "InstanceDeletionInProgress" {
				s.Tone = ToneInfo
			} else {
				s.Reason.Text = short(c.Message)
			}
		}
		return s
	}
	established, names := definitionCondition(d, apiextensionsv1.Established), definitionCondition(d, apiextensionsv1.NamesAccepted)
	refused := names != nil && names.Status == apiextensionsv1.ConditionFalse
	if established == nil || established.Status != apiextensionsv1.ConditionTrue {
		if refused {
			return Status{Word: WordNamesTaken, Tone: ToneBad, Reason: Message{Text: short(names.Message)}, Since: unix(names.LastTransitionTime)}
		}
		s := Status{Word: "Installing", Tone: ToneInfo}
		if established != nil {
			s.Since, s.Reason = unix(established.LastTransitionTime), Message{Text: short(established.Message)}
		}
		return s
	}
	s := Status{Word: string(apiextensionsv1.Established), Tone: ToneOK, Since: unix(established.LastTransitionTime)}
	if refused { // it works by the names that were accepted before
		s.Tone, s.Reason = ToneWarn, Message{Text: short(names.Message)}
		return s
	}
	if c := definitionCondition(d, apiextensionsv1.NonStructuralSchema); c != nil && c.Status == apiextensionsv1.ConditionTrue {
		s.Tone, s.Reason = ToneWarn, Message{Text: short(c.Message)}
		return s
	}
	if c := definitionCondition(d, apiextensionsv1.KubernetesAPIApprovalPolicyConformant); c != nil && c.Status == apiextensionsv1.ConditionFalse {
		s.Tone, s.Reason = ToneWarn, Message{Text: short(c.Message)}
		return s
	}
	if len(d.Spec.Versions) > 0 && len(servedVersions(d)) == 0 {
		s.Tone, s.Reason = ToneWarn, Message{ID: "crd.unserved"}
	}
	return s
}

func definitionRefs(d *apiextensionsv1.CustomResourceDefinition) []Ref {
	if s := conversionService(d); s != nil {
		return []Ref{{Kind: "services", Namespace: s.Namespace, Name: s.Name, Via: "conversion"}}
	}
	return nil
}

func definitionDetail(d *apiextensionsv1.CustomResourceDefinition, out *Detail) {
	spec := &d.Spec
	out.add("objectkind", Value{Cell: Name(spec.Names.Kind)})
	out.add("group", Value{Cell: Name(spec.Group)})
	out.add("scope", Value{Cell: Text(string(spec.Scope))})
	out.add("plural", Value{Cell: Name(spec.Names.Plural)})
	out.add("shortnames", names(spec.Names.ShortNames)...)
	out.add("categories", names(spec.Names.Categories)...)
	out.add("stored", names(d.Status.StoredVersions)...)
	out.add("conversion", Value{Cell: Text(conversion(d))})
	if s := conversionService(d); s != nil {
		out.add("conversionservice", refValue(Name(s.Namespace+"/"+s.Name), "services", s.Namespace, s.Name))
		out.add("trusteduntil", Value{Cell: trustedUntil(spec.Conversion.Webhook.ClientConfig.CABundle)})
	}
	if spec.PreserveUnknownFields {
		out.add("unknownfields", Value{Cell: Text("preserved")})
	}
	out.add("finalizers", names(d.Finalizers)...)
	for i := range d.Status.Conditions {
		c := &d.Status.Conditions[i]
		out.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime,
			string(apiextensionsv1.Terminating), string(apiextensionsv1.NonStructuralSchema), string(apiextensionsv1.StorageMigrating))
	}
	out.addTable(versionTable(d))
	out.addTable(printerTable(d))
}

// versionTable lists the versions of a definition with what each is for.
func versionTable(d *apiextensionsv1.CustomResourceDefinition) Table {
	t := Table{ID: "versions", Columns: []Column{
		{ID: "version", Form: FormName},
		{ID: "served", Form: FormText},
		{ID: "storage", Form: FormText},
		{ID: "deprecated", Form: FormText},
		{ID: "subresources", Form: FormName},
		{ID: "selectable", Form: FormName},
	}}
	for i := range d.Spec.Versions {
		v := &d.Spec.Versions[i]
		deprecated := truth(v.Deprecated)
		if w := v.DeprecationWarning; v.Deprecated && w != nil {
			deprecated.Note = Message{Text: short(*w)}
		}
		var sub, selectable []string
		if s := v.Subresources; s != nil {
			if s.Status != nil {
				sub = append(sub, "status")
			}
			if s.Scale != nil {
				sub = append(sub, "scale")
			}
		}
		for _, f := range v.SelectableFields {
			selectable = append(selectable, f.JSONPath)
		}
		t.Rows = append(t.Rows, []Value{
			{Cell: Name(v.Name)},
			{Cell: truth(v.Served)},
			{Cell: truth(v.Storage)},
			{Cell: deprecated},
			{Cell: Name(join(sub))},
			{Cell: Name(join(selectable))},
		})
	}
	return t
}

// printerTable lists the columns that kubectl and Tiga show of the objects.
func printerTable(d *apiextensionsv1.CustomResourceDefinition) Table {
	t := Table{ID: "printercolumns", Columns: []Column{
		{ID: "version", Form: FormName}, {ID: "name", Form: FormText}, {ID: "type", Form: FormName}, {ID: "jsonpath", Form: FormName}, {ID: "priority", Form: FormNumber},
	}}
	for i := range d.Spec.Versions {
		v := &d.Spec.Versions[i]
		for j := range v.AdditionalPrinterColumns {
			c := &v.AdditionalPrinterColumns[j]
			name := Text(c.Name)
			if c.Description != "" {
				name.Note = Message{Text: short(c.Description)}
			}
			what := c.Type
			if c.Format != "" {
				what = fmt.Sprintf("%s (%s)", c.Type, c.Format)
			}
			t.Rows = append(t.Rows, []Value{{Cell: Name(v.Name)}, {Cell: name}, {Cell: Name(what)}, {Cell: Name(c.JSONPath)}, {Cell: Number(c.Priority)}})
		}
	}
	return t
}

// distinct are the words of a list without repetitions and empty ones, in
// their order.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// optional is a number that an object may leave out.
func optional(n *int32) Cell {
	if n == nil {
		return Cell{}
	}
	return Number(*n)
}

// instant is a moment as date and time, none for 0.
func instant(at int64) Cell {
	if at == 0 {
		return Cell{}
	}
	return Cell{Num: float64(at), Form: FormTime}
}
