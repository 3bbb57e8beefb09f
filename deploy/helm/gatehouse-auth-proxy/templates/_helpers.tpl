{{- define "gatehouse.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "gatehouse.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "gatehouse.selector" -}}
app.kubernetes.io/name: {{ include "gatehouse.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gatehouse.labels" -}}
{{ include "gatehouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "gatehouse.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "gatehouse.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "gatehouse.image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The transformer's address: the sidecar's, where none is named. */}}
{{- define "gatehouse.transformer" -}}
{{- if .Values.transformer.serviceUrl -}}
{{ .Values.transformer.serviceUrl }}
{{- else if .Values.transformer.sidecar.enabled -}}
http://127.0.0.1:10001
{{- end -}}
{{- end }}

{{/* An address in its parts, as JSON: name, host, port, isTls, prefix, authority; what gateway.upstreams.upstream_at returns. */}}
{{- define "gatehouse.upstream" -}}
{{- $url := urlParse . -}}
{{- if or (not (has $url.scheme (list "http" "https"))) (not $url.hostname) $url.query $url.fragment $url.userinfo -}}
{{- fail (printf "%s is no address of a server; write https://llm.example.com or http://10.0.0.5:8000/v1." .) -}}
{{- end -}}
{{- $isTls := eq $url.scheme "https" -}}
{{- $own := ternary 443 80 $isTls -}}
{{- $given := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port := ternary $own (int $given) (eq $given "") -}}
{{- $shown := contains ":" $url.hostname | ternary (printf "[%s]" $url.hostname) $url.hostname -}}
{{- $authority := eq $port $own | ternary $shown (printf "%s:%d" $shown $port) -}}
{{- $prefix := $url.path | trimAll "/" | printf "/%s" | trimSuffix "/" -}}
{{- dict "name" (print $authority $prefix) "host" $url.hostname "port" $port "isTls" $isTls "prefix" $prefix "authority" $authority | toJson -}}
{{- end }}

{{/* Every address that requests may be sent to, as {"all": [...]} in JSON. */}}
{{- define "gatehouse.upstreams" -}}
{{- $all := list -}}
{{- if .Values.upstream -}}
{{- $all = list (fromJson (include "gatehouse.upstream" .Values.upstream)) -}}
{{- else -}}
{{- range concat (values .Values.providers | sortAlpha) .Values.upstreams | uniq -}}
{{- $all = append $all (fromJson (include "gatehouse.upstream" .)) -}}
{{- end -}}
{{- end -}}
{{- dict "all" $all | toJson -}}
{{- end }}

{{/* What cannot be right is said when the chart is rendered, and not when a request fails. */}}
{{- define "gatehouse.check" -}}
{{- $values := .Values -}}
{{- if not $values.issuer }}{{ fail "issuer is not set: name the iss of the portal's tokens, which is its address." }}{{ end -}}
{{- if eq (empty $values.jwksUri) (empty $values.jwksJson) }}{{ fail "Set one of jwksUri and jwksJson: where the public keys are, or the keys themselves." }}{{ end -}}
{{- if and $values.extAuthz.enabled (not $values.extAuthz.serviceUrl) }}{{ fail "extAuthz.serviceUrl is not set: name the gateway's address." }}{{ end -}}
{{- if and (not $values.extAuthz.enabled) (not $values.upstream) }}{{ fail "Without extAuthz nobody chooses where a request goes: set upstream." }}{{ end -}}
{{- if and $values.transformer.enabled (not (include "gatehouse.transformer" .)) }}{{ fail "transformer.serviceUrl is not set: name its address, or enable transformer.sidecar." }}{{ end -}}
{{- if and $values.transformer.enabled (has (index $values.transformer.processingMode "response_body_mode" | default "") (list "BUFFERED" "BUFFERED_PARTIAL")) }}{{ fail "transformer.processingMode: a buffered response would hold streams back until their end. Use STREAMED or FULL_DUPLEX_STREAMED." }}{{ end -}}
{{- if and $values.transformer.sidecar.enabled (not $values.transformer.sidecar.image.repository) }}{{ fail "transformer.sidecar.image.repository is not set: name the image of Gatehouse." }}{{ end -}}
{{- with $values.jwksJson }}{{ range (fromJson .).keys }}{{ if hasKey . "d" }}{{ fail "jwksJson holds a private key (d): publish the public parts only, and replace that key." }}{{ end }}{{ end }}{{ end -}}
{{- if not $values.allowPlainHttp -}}
{{- range list $values.jwksUri $values.extAuthz.serviceUrl $values.transformer.serviceUrl -}}
{{- if and (hasPrefix "http:" .) (not (has (urlParse .).hostname (list "127.0.0.1" "::1" "localhost"))) }}{{ fail (printf "%s would be asked without TLS: whoever is between could read credentials or sign tokens. Use https://, or set allowPlainHttp where the network itself is encrypted." .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A source of certificates as a volume. */}}
{{- define "gatehouse.authoritiesVolume" -}}
{{- if .source.configMap }}
- name: {{ .name }}
  configMap: {name: {{ .source.configMap }}, items: [{key: {{ .source.key }}, path: ca.crt}]}
{{- else if .source.secret }}
- name: {{ .name }}
  secret: {secretName: {{ .source.secret }}, items: [{key: {{ .source.key }}, path: ca.crt}]}
{{- end }}
{{- end }}

{{- define "gatehouse.authoritiesFile" -}}
{{- if or .source.configMap .source.secret -}}
/etc/gatehouse/{{ .name }}/ca.crt
{{- else -}}
/etc/ssl/certs/ca-certificates.crt
{{- end -}}
{{- end }}

{{- define "gatehouse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "gatehouse.probe" -}}
path: /healthz
port: llm
scheme: {{ ternary "HTTPS" "HTTP" (not (empty .Values.tls.listener.secret)) }}
{{- end }}

{{/* The ports that Envoy calls on, as {"ports": [...]} in JSON. */}}
{{- define "gatehouse.ports" -}}
{{- $ports := list -}}
{{- if not .Values.upstream }}{{ $ports = append $ports 443 }}{{ end -}}
{{- range (fromJson (include "gatehouse.upstreams" .)).all }}{{ $ports = append $ports (int .port) }}{{ end -}}
{{- $urls := list .Values.jwksUri -}}
{{- if .Values.extAuthz.enabled }}{{ $urls = append $urls .Values.extAuthz.serviceUrl }}{{ end -}}
{{- if .Values.transformer.enabled }}{{ $urls = append $urls .Values.transformer.serviceUrl }}{{ end -}}
{{- range compact $urls }}{{ $ports = append $ports (int (fromJson (include "gatehouse.upstream" .)).port) }}{{ end -}}
{{- with .Values.httpProxy }}{{ if .host }}{{ $ports = append $ports (int .port) }}{{ end }}{{ end -}}
{{- dict "ports" (uniq $ports) | toJson -}}
{{- end }}
