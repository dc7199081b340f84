package gallery

import (
	"time"

	"tiga/views"
	"tiga/views/ui"
)

// prometheus is the box of a cluster's settings; where is the address in use.
func (e Env) prometheus(st ui.Status, where string) *views.PrometheusBox {
	m := &views.PrometheusBox{
		Status: st, Self: e.Mount + "settings-edit", Detect: e.Mount + "retry", Post: e.Mount + "retry",
		Fields: []ui.Field{{
			Type: ui.FieldText, Name: "prometheus_url", ID: "prometheus-url", Label: e.w("Address, set by hand", "手动设置的地址"), Mono: true, Placeholder: "http://prometheus.example.com:9090",
			Help: e.w("For example http://prometheus.example.com:9090. It wins over what is detected. Leave it empty to have it detected.", "例如 http://prometheus.example.com:9090。手动设置优先于自动检测；留空则自动检测。"),
		}},
	}
	if where != "" {
		m.Facts = []ui.Fact{
			{Label: e.w("Address", "地址"), Cells: []ui.Cell{{Text: where, Form: ui.FormName}}},
			{Label: e.w("Reached by", "访问方式"), Cells: []ui.Cell{{Text: e.w("Node port", "节点端口")}}},
		}
	}
	return m
}

func (e Env) prometheusMissing() *views.PrometheusBox {
	m := e.prometheus(ui.Status{Word: e.w("Not found", "未找到"), Reason: e.w("No candidate answers as a Prometheus does.", "没有候选像 Prometheus 那样应答。"), Tone: ui.ToneIdle, Since: e.ago(time.Minute)}, "")
	m.Fields[0].Value, m.Fields[0].Error = "ftp://prometheus", e.w("This is not an address such as http://prometheus.example.com:9090.", "这不是形如 http://prometheus.example.com:9090 的地址。")
	m.Tried = []views.PrometheusTrial{
		{Service: "monitoring/prometheus", Way: e.w("Node port", "节点端口"), URL: "http://203.0.113.20:30090", Error: e.w("The connection was refused: nothing listens at this address.", "连接被拒绝：该地址没有监听。")},
		{Service: "monitoring/prometheus", Way: e.w("Cluster IP", "集群 IP"), URL: "http://10.96.14.3:9090", Error: e.w("No answer in time.", "未及时应答。")},
		{Service: "monitoring/prometheus", Way: e.w("API server's proxy", "API 服务器代理"), URL: "https://203.0.113.9:6443/api/v1/namespaces/monitoring/services/prometheus:9090/proxy", Error: e.w("The Service has no endpoint that answers.", "该 Service 没有可应答的端点。")},
	}
	return m
}

func (e Env) prometheusHostile() *views.PrometheusBox {
	m := e.prometheus(ui.Status{Word: e.w("Failing", "无应答"), Reason: script + rtl + long(200), Tone: ui.ToneBad, Since: e.ago(time.Hour)}, "http://"+long(200)+script)
	m.Tried = []views.PrometheusTrial{{Service: script + "/" + long(120), Way: "Ingress", URL: "javascript:alert(1)" + rtl, Error: hxTag + long(300)}}
	return m
}
