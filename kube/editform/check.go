package editform

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"tiga/kube/kinds"
)

var fine kinds.Message

// said is a message for what a rule of Kubernetes has against a text.
func said(id string, problems []string) kinds.Message {
	if len(problems) == 0 {
		return fine
	}
	return message(id)
}

func image(s string) kinds.Message {
	if strings.ContainsAny(s, " \t\n") || len(s) > 1000 {
		return message("bad.image")
	}
	return fine
}

func envName(s string) kinds.Message { return said("bad.env", validation.IsRelaxedEnvVarName(s)) }

func labelKey(s string) kinds.Message { return said("bad.key", validation.IsQualifiedName(s)) }

func annotationKey(s string) kinds.Message {
	return said("bad.key", validation.IsQualifiedName(strings.ToLower(s)))
}

func labelValue(s string) kinds.Message { return said("bad.label", validation.IsValidLabelValue(s)) }

func configKey(s string) kinds.Message { return said("bad.config_key", validation.IsConfigMapKey(s)) }

func portName(s string) kinds.Message { return said("bad.port_name", validation.IsDNS1123Label(s)) }

// targetPort is a number or the name of a container's port.
func targetPort(s string) kinds.Message {
	if n, err := strconv.Atoi(s); err == nil {
		return said("bad.port", validation.IsValidPortNum(n))
	}
	return said("bad.target", validation.IsValidPortName(s))
}

func quantity(s string) kinds.Message {
	q, err := resource.ParseQuantity(s)
	switch {
	case err != nil:
		return message("bad.quantity")
	case q.Sign() < 0:
		return message("bad.negative")
	}
	return fine
}

// schedule is a cron expression: five fields, or a name.
func schedule(s string) kinds.Message {
	switch {
	case strings.HasPrefix(s, "TZ="), strings.HasPrefix(s, "CRON_TZ="):
		return message("bad.schedule_zone")
	case strings.HasPrefix(s, "@"), len(strings.Fields(s)) == 5:
		return fine
	}
	return message("bad.schedule")
}

func timeZone(s string) kinds.Message {
	if strings.EqualFold(s, "local") || strings.ContainsAny(s, " \t\\") || strings.HasPrefix(s, "/") || strings.Contains(s, "..") {
		return message("bad.zone")
	}
	return fine
}

// whole is a whole number between two.
func whole(s string, least, most int64) (int64, kinds.Message) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, message("bad.number", "Min", least, "Max", most)
	}
	return n, fine
}

// amountAt is a quantity in a tree.
func amountAt(tree map[string]any, p Path) (resource.Quantity, bool) {
	s, ok := textOf(get(tree, p))
	if !ok || s == "" {
		return resource.Quantity{}, false
	}
	q, err := resource.ParseQuantity(s)
	return q, err == nil
}

// intAt is a whole number in a tree.
func intAt(tree map[string]any, p Path) (int64, bool) {
	s, ok := textOf(get(tree, p))
	if !ok || s == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
