package kinds

import (
	"errors"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
)

// cronJobStatus says what became of the last run. A CronJob keeps only two
// instants, when it last began a run and when one last succeeded: a run that is
// over and not among the successful has failed, or somebody removed it.
func cronJobStatus(c *batchv1.CronJob) Status {
	if s, ok := terminating(c); ok {
		return s
	}
	last, good := c.Status.LastScheduleTime, c.Status.LastSuccessfulTime
	running := len(c.Status.Active)
	failed := last != nil && running == 0 && (good == nil || good.Before(last))
	var s Status
	switch {
	case running > 0:
		s = Status{Word: "Active", Tone: ToneInfo, Reason: Message{ID: "cronjob.running", Args: map[string]any{"Count": running}}}
	case failed && good == nil:
		s = Status{Word: WordRunFailed, Tone: ToneBad, Reason: Message{ID: "cronjob.nosuccess"}}
	case failed:
		s = Status{Word: WordRunFailed, Tone: ToneBad, Reason: Message{ID: "cronjob.failed", Args: map[string]any{"Success": good.Time}}}
	case last == nil:
		s = Status{Word: WordScheduled, Tone: ToneOK, Reason: Message{ID: "cronjob.never"}}
	default:
		s = Status{Word: WordScheduled, Tone: ToneOK}
	}
	if last != nil {
		s.Since = unix(*last)
	}
	if valueOf(c.Spec.Suspend, false) {
		// What the last run came to stays worth knowing, also while none follows.
		s.Word, s.Tone, s.Since = "Suspended", ToneIdle, 0
		if last == nil {
			s.Reason = Message{}
		}
		if failed {
			s.Tone = ToneWarn
		}
	}
	// A time zone that is not known here may well be known to the controller.
	_, err := readSchedule(c.Spec.Schedule, c.Spec.TimeZone)
	if e := (*scheduleError)(nil); errors.As(err, &e) && c.Spec.Schedule != "" {
		s = Status{Word: WordInvalid, Tone: ToneBad, Reason: Message{ID: "cronjob.schedule", Text: short(e.part)}}
	}
	return s
}

// overdueAfter is how late a run may begin before its CronJob says so: the controller begins it within seconds.
const overdueAfter = 2 * time.Minute

// cronJobLater says that a run which was due has not begun. What was due before the CronJob was last written does not
// count, since it may have been suspended or have had another schedule, nor does a run that waits for the one before.
func cronJobLater(c *batchv1.CronJob) *Later {
	if len(c.Status.Active) > 0 && c.Spec.ConcurrencyPolicy == batchv1.ForbidConcurrent || cronJobStatus(c).Tone == ToneBad {
		return nil
	}
	since := c.CreationTimestamp.Time
	if last := c.Status.LastScheduleTime; last != nil {
		since = laterOf(since, last.Time)
	}
	for i := range c.ManagedFields {
		if f := &c.ManagedFields[i]; f.Subresource == "" && f.Time != nil {
			since = laterOf(since, f.Time.Time)
		}
	}
	due := cronJobDue(c, since)
	if due.IsZero() {
		return nil
	}
	return &Later{At: due.Add(overdueAfter).Unix(), Status: Status{
		Word: WordOverdue, Tone: ToneWarn, Since: due.Unix(), Reason: Message{ID: "cronjob.overdue", Args: map[string]any{"Due": due}},
	}}
}

// cronJobNext is when the next run is due, counted from the last one: an
// instant that has passed means that runs were missed.
func cronJobNext(c *batchv1.CronJob) Cell {
	from := c.CreationTimestamp.Time
	if last := c.Status.LastScheduleTime; last != nil {
		from = last.Time
	}
	next := cronJobDue(c, from)
	if next.IsZero() {
		return Cell{}
	}
	return Cell{Num: float64(next.Unix()), Form: FormTime}
}

// cronJobDue is the first run after an instant, zero where there is none.
func cronJobDue(c *batchv1.CronJob, from time.Time) time.Time {
	if from.IsZero() || valueOf(c.Spec.Suspend, false) || c.DeletionTimestamp != nil {
		return time.Time{}
	}
	schedule, err := readSchedule(c.Spec.Schedule, c.Spec.TimeZone)
	if err != nil {
		return time.Time{}
	}
	return schedule.after(from)
}

func cronJobRefs(c *batchv1.CronJob) []Ref {
	refs := templateRefs(c.Namespace, &c.Spec.JobTemplate.Spec.Template.Spec)
	for i := range c.Status.Active {
		refs = append(refs, Ref{Kind: "jobs.batch", Namespace: c.Namespace, Name: c.Status.Active[i].Name, Via: "active"})
	}
	return refs
}

// cronJobPods are the pods of the runs that go on. Those of earlier runs are
// their jobs'.
func cronJobPods(c *batchv1.CronJob) PodsOf {
	if len(c.Status.Active) == 0 {
		return PodsOf{}
	}
	jobs := make([]string, len(c.Status.Active))
	for i := range c.Status.Active {
		jobs[i] = c.Status.Active[i].Name
	}
	return PodsOf{Selector: "job-name in (" + strings.Join(jobs, ",") + ")"}
}

func cronJobDetail(c *batchv1.CronJob, d *Detail) {
	d.add("schedule", Value{Cell: Name(c.Spec.Schedule)})
	d.add("timezone", Value{Cell: Name(valueOf(c.Spec.TimeZone, ""))})
	d.add("suspend", Value{Cell: Text(suspendText(c.Spec.Suspend))})
	d.add("concurrency", Value{Cell: Text(string(c.Spec.ConcurrencyPolicy))})
	if s := c.Spec.StartingDeadlineSeconds; s != nil {
		d.add("startingdeadline", Value{Cell: secondsCell(*s)})
	}
	d.add("lastschedule", Value{Cell: startedCell(c.Status.LastScheduleTime)})
	d.add("lastsuccess", Value{Cell: startedCell(c.Status.LastSuccessfulTime)})
	d.add("nextrun", Value{Cell: cronJobNext(c)})
	active := make([]Value, len(c.Status.Active))
	for i := range c.Status.Active {
		active[i] = refValue(Name(c.Status.Active[i].Name), "jobs.batch", c.Namespace, c.Status.Active[i].Name)
	}
	d.add("activejobs", active...)
	d.count("successfulhistory", c.Spec.SuccessfulJobsHistoryLimit)
	d.count("failedhistory", c.Spec.FailedJobsHistoryLimit)
	job := &c.Spec.JobTemplate.Spec
	d.count("completions", job.Completions)
	d.count("parallelism", job.Parallelism)
	d.count("backofflimit", job.BackoffLimit)
	if s := job.ActiveDeadlineSeconds; s != nil {
		d.add("activedeadline", Value{Cell: secondsCell(*s)})
	}
	d.seconds("ttl", job.TTLSecondsAfterFinished)
	d.template(c, &job.Template.Spec)
}
