package kinds

import (
	corev1 "k8s.io/api/core/v1"
)

var serviceAccountKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("serviceaccounts"), Name: "ServiceAccount", Plural: "ServiceAccounts", Short: []string{"sa"},
		Namespaced: true, Menu: MenuAccess,
	},
		Reads[corev1.ServiceAccount]{
			Status: func(a *corev1.ServiceAccount) Status { return onlyTerminating(a) },
			Refs:   serviceAccountRefs, Detail: serviceAccountDetail,
		},
		ColumnOf[corev1.ServiceAccount]{Column{ID: "pullsecrets", Form: FormName, Search: true}, func(a *corev1.ServiceAccount) Cell { return Name(join(pullSecrets(a))) }},
		ColumnOf[corev1.ServiceAccount]{Column{ID: "cloudidentity", Form: FormName, Search: true}, func(a *corev1.ServiceAccount) Cell { return Name(cloudIdentity(a)) }},
		ColumnOf[corev1.ServiceAccount]{Column{ID: "automount", Form: FormText, Hidden: true}, automount},
		ColumnOf[corev1.ServiceAccount]{Column{ID: "secrets", Form: FormNumber, Hidden: true}, func(a *corev1.ServiceAccount) Cell { return Number(len(a.Secrets)) }},
		ColumnOf[corev1.ServiceAccount]{Column{ID: "age", Form: FormAge}, func(a *corev1.ServiceAccount) Cell { return Age(unix(a.CreationTimestamp)) }},
	),
}

// cloudIdentity is the identity of a cloud that pods with the account take on,
// as EKS, GKE, AKS and Alibaba's ACK read it from annotations.
func cloudIdentity(a *corev1.ServiceAccount) string {
	for _, key := range []string{
		"eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id", "pod-identity.alibabacloud.com/role-name",
	} {
		if v := a.Annotations[key]; v != "" {
			return cut(v, annotationValueLimit)
		}
	}
	return ""
}

func pullSecrets(a *corev1.ServiceAccount) []string {
	out := make([]string, len(a.ImagePullSecrets))
	for i := range a.ImagePullSecrets {
		out[i] = a.ImagePullSecrets[i].Name
	}
	return out
}

// automount says whether pods get a token without asking for one, which the
// API takes for granted.
func automount(a *corev1.ServiceAccount) Cell {
	return truth(valueOf(a.AutomountServiceAccountToken, true))
}

func serviceAccountRefs(a *corev1.ServiceAccount) []Ref {
	var out []Ref
	for i := range a.Secrets {
		out = append(out, Ref{Kind: "secrets", Namespace: a.Namespace, Name: a.Secrets[i].Name, Via: "secrets"})
	}
	for _, name := range pullSecrets(a) {
		out = append(out, Ref{Kind: "secrets", Namespace: a.Namespace, Name: name, Via: "imagePullSecrets"})
	}
	return out
}

func serviceAccountDetail(a *corev1.ServiceAccount, d *Detail) {
	d.add("automount", Value{Cell: automount(a)})
	d.add("cloudidentity", Value{Cell: Name(cloudIdentity(a))})
	byVia := make(map[string][]Value)
	for _, ref := range serviceAccountRefs(a) {
		byVia[ref.Via] = append(byVia[ref.Via], Value{Cell: Name(ref.Name), Ref: &ref})
	}
	d.add("secrets", byVia["secrets"]...)
	d.add("pullsecrets", byVia["imagePullSecrets"]...)
	d.add("finalizers", names(a.Finalizers)...)
}
