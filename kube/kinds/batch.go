package kinds

import (
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

var batchKinds = []*Kind{
	Define(Kind{
		GVR: batchv1.SchemeGroupVersion.WithResource("jobs"), Churns: true, Name: "Job", Plural: "Jobs",
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionRerun, ActionSuspend, ActionUnsuspend},
	},
		Reads[batchv1.Job]{
			State:  jobState,
			Status: jobStatus,
			Refs:   func(j *batchv1.Job) []Ref { return templateRefs(j.Namespace, &j.Spec.Template.Spec) },
			Detail: jobDetail,
			Pods:   func(j *batchv1.Job) PodsOf { return selected(j.Spec.Selector) },
		},
		ColumnOf[batchv1.Job]{Column{ID: "completions", Form: FormRatio}, jobCompletions},
		ColumnOf[batchv1.Job]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[batchv1.Job]{Column{ID: "failed", Form: FormNumber}, jobFailed},
		ColumnOf[batchv1.Job]{Column{ID: "duration", Form: FormNumber}, jobDuration},
		ColumnOf[batchv1.Job]{Column{ID: "controller", Form: FormName, Search: true}, func(j *batchv1.Job) Cell { return Name(controllerText(j)) }},
		ColumnOf[batchv1.Job]{Column{ID: "images", Form: FormName, Hidden: true, Search: true}, func(j *batchv1.Job) Cell { return Name(imagesOf(&j.Spec.Template.Spec)) }},
		ColumnOf[batchv1.Job]{Column{ID: "containers", Form: FormName, Hidden: true}, func(j *batchv1.Job) Cell { return Name(containersOf(&j.Spec.Template.Spec)) }},
		ColumnOf[batchv1.Job]{Column{ID: "selector", Form: FormName, Hidden: true}, func(j *batchv1.Job) Cell { return Name(selectorText(j.Spec.Selector)) }},
		ColumnOf[batchv1.Job]{Column{ID: "age", Form: FormAge}, func(j *batchv1.Job) Cell { return Age(unix(j.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: batchv1.SchemeGroupVersion.WithResource("cronjobs"), Name: "CronJob", Plural: "CronJobs", Short: []string{"cj"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionRun, ActionSuspend, ActionUnsuspend},
	},
		Reads[batchv1.CronJob]{State: cronJobState, Later: cronJobLater, Status: cronJobStatus, Refs: cronJobRefs, Detail: cronJobDetail, Pods: cronJobPods},
		ColumnOf[batchv1.CronJob]{Column{ID: "schedule", Form: FormName, Search: true}, func(c *batchv1.CronJob) Cell { return Name(c.Spec.Schedule) }},
		ColumnOf[batchv1.CronJob]{Column{ID: "timezone", Form: FormName, Hidden: true}, func(c *batchv1.CronJob) Cell { return Name(valueOf(c.Spec.TimeZone, "")) }},
		ColumnOf[batchv1.CronJob]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[batchv1.CronJob]{Column{ID: "active", Form: FormNumber}, func(c *batchv1.CronJob) Cell { return Number(len(c.Status.Active)) }},
		ColumnOf[batchv1.CronJob]{Column{ID: "lastschedule", Form: FormAge}, func(c *batchv1.CronJob) Cell { return startedCell(c.Status.LastScheduleTime) }},
		ColumnOf[batchv1.CronJob]{Column{ID: "lastsuccess", Form: FormAge}, func(c *batchv1.CronJob) Cell { return startedCell(c.Status.LastSuccessfulTime) }},
		ColumnOf[batchv1.CronJob]{Column{ID: "nextrun", Form: FormTime}, cronJobNext},
		ColumnOf[batchv1.CronJob]{Column{ID: "suspend", Form: FormText, Hidden: true}, func(c *batchv1.CronJob) Cell { return Text(suspendText(c.Spec.Suspend)) }},
		ColumnOf[batchv1.CronJob]{Column{ID: "images", Form: FormName, Hidden: true, Search: true}, func(c *batchv1.CronJob) Cell {
			return Name(imagesOf(&c.Spec.JobTemplate.Spec.Template.Spec))
		}},
		ColumnOf[batchv1.CronJob]{Column{ID: "containers", Form: FormName, Hidden: true}, func(c *batchv1.CronJob) Cell {
			return Name(containersOf(&c.Spec.JobTemplate.Spec.Template.Spec))
		}},
		ColumnOf[batchv1.CronJob]{Column{ID: "age", Form: FormAge}, func(c *batchv1.CronJob) Cell { return Age(unix(c.CreationTimestamp)) }},
	),
}

// jobCompletions is how far a job has come, as kubectl writes it: a job
// without a number of completions is done with the first.
func jobCompletions(j *batchv1.Job) Cell {
	if n := j.Spec.Completions; n != nil {
		return Ratio(int(j.Status.Succeeded), int(*n))
	}
	c := Ratio(int(j.Status.Succeeded), 1)
	if n := valueOf(j.Spec.Parallelism, 0); n > 1 {
		c.Text += " of " + strconv.Itoa(int(n))
	}
	return c
}

func jobFailed(j *batchv1.Job) Cell {
	c := Number(j.Status.Failed)
	if j.Status.Failed > 0 {
		c.Tone = ToneWarn
	}
	return c
}

// jobDuration is how long a job took; none while it runs, since that grows and
// the row does not change with it.
func jobDuration(j *batchv1.Job) Cell {
	if j.Status.StartTime == nil || j.Status.CompletionTime == nil {
		return Cell{}
	}
	took := j.Status.CompletionTime.Sub(j.Status.StartTime.Time)
	return Cell{Text: duration.HumanDuration(took), Num: took.Seconds(), Form: FormNumber}
}

// jobCondition is the condition of a type that holds, nil when it does not.
func jobCondition(j *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range j.Status.Conditions {
		if c := &j.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

func jobMessage(j *batchv1.Job, id string) Message {
	st := &j.Status
	return Message{ID: id, Args: map[string]any{
		"Want": int(valueOf(j.Spec.Completions, 1)), "Succeeded": int(st.Succeeded), "Failed": int(st.Failed), "Active": int(st.Active),
		"Ready": int(valueOf(st.Ready, 0)), "Limit": int(valueOf(j.Spec.BackoffLimit, 6)), "Seconds": int(valueOf(j.Spec.ActiveDeadlineSeconds, 0)),
		"Indexes": cut(valueOf(st.FailedIndexes, ""), 80),
	}}
}

// jobStatus has kubectl's word, in kubectl's order.
func jobStatus(j *batchv1.Job) Status {
	ending, deleted := terminating(j)
	held := func(s Status) Status {
		if deleted && ending.Tone == ToneWarn { // finished, and yet it does not go away
			s.Tone, s.Reason = ToneWarn, ending.Reason
		}
		return s
	}
	if c := jobCondition(j, batchv1.JobComplete); c != nil {
		return held(Status{Word: "Complete", Tone: ToneIdle, Since: unix(c.LastTransitionTime)})
	}
	if c := jobCondition(j, batchv1.JobFailed); c != nil {
		return held(Status{Word: "Failed", Tone: ToneBad, Reason: jobFailure(j, c), Since: unix(c.LastTransitionTime)})
	}
	if deleted {
		return ending
	}
	if c := jobCondition(j, batchv1.JobSuspended); c != nil {
		return Status{Word: "Suspended", Tone: ToneIdle, Since: unix(c.LastTransitionTime)}
	}
	if c := jobCondition(j, batchv1.JobFailureTarget); c != nil {
		return Status{Word: "FailureTarget", Tone: ToneBad, Reason: jobFailure(j, c), Since: unix(c.LastTransitionTime)}
	}
	if c := jobCondition(j, batchv1.JobSuccessCriteriaMet); c != nil {
		return Status{Word: "SuccessCriteriaMet", Tone: ToneInfo, Reason: jobMessage(j, "job.ending"), Since: unix(c.LastTransitionTime)}
	}
	s := Status{Word: "Running", Tone: ToneInfo, Reason: jobMessage(j, "job.running")}
	if j.Status.StartTime != nil {
		s.Since = unix(*j.Status.StartTime)
	}
	switch {
	case j.Status.StartTime == nil && valueOf(j.Spec.Suspend, false):
		s.Tone, s.Reason = ToneIdle, Message{ID: "job.suspending"}
	case j.Status.StartTime == nil:
		s.Reason = Message{ID: "replicas.unseen"}
	case j.Status.Failed > 0:
		s.Tone, s.Reason = ToneWarn, jobMessage(j, "job.retrying")
	case j.Status.Active == 0:
		s.Reason = jobMessage(j, "job.nopods")
	}
	return s
}

// jobFailure says why a job has failed, in our words where the reason is one
// of Kubernetes' own, and otherwise in those of whoever failed it.
func jobFailure(j *batchv1.Job, c *batchv1.JobCondition) Message {
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded, batchv1.JobReasonDeadlineExceeded, batchv1.JobReasonFailedIndexes, batchv1.JobReasonMaxFailedIndexesExceeded:
		return jobMessage(j, "job.failed."+c.Reason)
	case batchv1.JobReasonPodFailurePolicy:
		m := jobMessage(j, "job.failed."+c.Reason)
		m.Text = short(c.Message)
		return m
	}
	if c.Message == "" {
		return Message{Text: c.Reason}
	}
	return Message{Text: short(c.Message)}
}

func jobDetail(j *batchv1.Job, d *Detail) {
	st := &j.Status
	pods := jobCompletions(j)
	pods.Note = jobMessage(j, "job.counts")
	d.add("completions", Value{Cell: pods})
	d.add("controller", controllerValue(j))
	d.count("parallelism", j.Spec.Parallelism)
	if m := j.Spec.CompletionMode; m != nil {
		d.add("completionmode", Value{Cell: Text(string(*m))})
	}
	d.count("backofflimit", j.Spec.BackoffLimit)
	d.count("backofflimitperindex", j.Spec.BackoffLimitPerIndex)
	if s := j.Spec.ActiveDeadlineSeconds; s != nil {
		d.add("activedeadline", Value{Cell: secondsCell(*s)})
	}
	d.seconds("ttl", j.Spec.TTLSecondsAfterFinished)
	d.add("suspend", Value{Cell: Text(suspendText(j.Spec.Suspend))})
	d.add("started", Value{Cell: startedCell(st.StartTime)})
	d.add("ended", Value{Cell: startedCell(st.CompletionTime)})
	d.add("duration", Value{Cell: jobDuration(j)})
	d.add("completedindexes", Value{Cell: Name(cut(st.CompletedIndexes, reasonLimit))})
	d.add("failedindexes", Value{Cell: Name(cut(valueOf(st.FailedIndexes, ""), reasonLimit))})
	d.add("managedby", Value{Cell: Name(valueOf(j.Spec.ManagedBy, ""))})
	d.add("selector", Value{Cell: Name(selectorText(j.Spec.Selector))})
	d.template(j, &j.Spec.Template.Spec)
	if p := j.Spec.PodFailurePolicy; p != nil {
		d.Tables = append(d.Tables, failurePolicy(p))
	}
	for i := range st.Conditions {
		c := &st.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, string(batchv1.JobFailed), string(batchv1.JobFailureTarget))
		if last := &d.Conditions[len(d.Conditions)-1]; c.Type == batchv1.JobSuspended {
			last.Tone = ToneIdle // neither good nor bad
		}
	}
}

// failurePolicy is the table of what becomes of a job when a pod of it fails.
func failurePolicy(p *batchv1.PodFailurePolicy) Table {
	t := Table{ID: "podfailurepolicy", Columns: []Column{{ID: "policyaction", Form: FormText}, {ID: "policywhen", Form: FormName}}}
	for i := range p.Rules {
		r := &p.Rules[i]
		var when []string
		if c := r.OnExitCodes; c != nil {
			codes := make([]string, len(c.Values))
			for j := range c.Values {
				codes[j] = strconv.Itoa(int(c.Values[j]))
			}
			words := "exit code " + string(c.Operator) + " " + strings.Join(codes, ", ")
			if c.ContainerName != nil {
				words = *c.ContainerName + ": " + words
			}
			when = append(when, words)
		}
		for j := range r.OnPodConditions {
			when = append(when, string(r.OnPodConditions[j].Type)+"="+string(r.OnPodConditions[j].Status))
		}
		t.Rows = append(t.Rows, []Value{{Cell: Text(string(r.Action))}, {Cell: Name(cut(strings.Join(when, "; "), reasonLimit))}})
	}
	return t
}

// suspendText is how kubectl writes an optional flag.
func suspendText(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "True"
	default:
		return "False"
	}
}
