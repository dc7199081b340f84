package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ChurnLabel is the label that Churn changes: its value is the number of the
// change, from 1.
const ChurnLabel = "testbed.tiga/churn"

// Churn changes the label ChurnLabel of one pod after the other, that many
// times a second, until ctx ends, and returns how many changes the API server
// has accepted. That ctx ends is no error; a server that is too slow for the
// rate is not either: compare the number.
func (c *Cluster) Churn(ctx context.Context, perSecond int) (int, error) {
	if perSecond < 1 {
		return 0, fmt.Errorf("churn %d times a second: want at least 1", perSecond)
	}
	pods, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return 0, fmt.Errorf("list the pods to change: %w", err)
	}
	if len(pods.Items) == 0 {
		return 0, errors.New("no pods to change")
	}
	var changes atomic.Int64
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	// A ticker would drop what a busy machine makes late; what is late here is made up for.
	began := time.Now()
	for n := 0; grouped.Err() == nil; n++ {
		select {
		case <-grouped.Done():
			continue
		case <-time.After(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(perSecond)))):
		}
		pod := &pods.Items[n%len(pods.Items)]
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:"%d"}}}`, ChurnLabel, n+1)
		group.Go(func() error {
			_, err := c.client.CoreV1().Pods(pod.Namespace).Patch(grouped, pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			switch {
			case err == nil:
				changes.Add(1)
			case apierrors.IsNotFound(err), grouped.Err() != nil:
				// The pod was deleted meanwhile, or the time is up.
			default:
				return fmt.Errorf("change pod %s: %w", pod.Name, err)
			}
			return nil
		})
	}
	err = group.Wait()
	return int(changes.Load()), err
}
