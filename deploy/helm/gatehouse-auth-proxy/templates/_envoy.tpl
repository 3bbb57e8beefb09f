{{/* Envoy's configuration from files/parts.yaml and the values; gateway/envoy/ does the same, and tests compare both. */}}
{{- define "gatehouse.envoy" -}}
{{- $parts := .Files.Get "files/parts.yaml" | fromYaml -}}
{{- $upstreams := (fromJson (include "gatehouse.upstreams" .)).all -}}
node: {id: gatehouse-llm, cluster: gatehouse-llm}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
overload_manager: {{ toJson $parts.overload }}
layered_runtime: {{ toJson $parts.runtime }}
bootstrap_extensions:
  - name: envoy.bootstrap.internal_listener
    typed_config: {"@type": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}
static_resources:
  listeners:
    - name: llm
      address: {socket_address: {address: 0.0.0.0, port_value: {{ .Values.port }}}}
      per_connection_buffer_limit_bytes: 1048576
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                {{- include "gatehouse.connectionManager" (dict "root" . "parts" $parts "upstreams" $upstreams) | nindent 16 }}
          {{- if .Values.tls.listener.secret }}
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                tls_params: {tls_minimum_protocol_version: TLSv1_2}
                alpn_protocols: [h2, http/1.1]
                tls_certificates: [{{ include "gatehouse.pair" "listener" }}]
          {{- end }}
    {{- if .Values.httpProxy.host }}
    {{- range $upstreams }}
    {{- if include "gatehouse.isTunnelled" (dict "root" $ "host" .host) }}
    - {{ include "gatehouse.tunnel" (dict "name" .name "hostname" (printf "%s:%d" .host (int .port))) }}
    {{- end }}
    {{- end }}
    {{- if not .Values.upstream }}
    - {{ include "gatehouse.tunnel" (dict "name" "regional" "hostname" "%REQUESTED_SERVER_NAME%:443" "inspected" true) }}
    {{- end }}
    {{- end }}
  clusters:
    {{- range $upstreams }}
    - {{ include "gatehouse.cluster" (dict "root" $ "parts" $parts "name" .name "where" . "tunnel" (include "gatehouse.isTunnelled" (dict "root" $ "host" .host))) }}
    {{- end }}
    {{- if not .Values.upstream }}
    - {{ include "gatehouse.regional" (dict "root" . "parts" $parts) }}
    {{- end }}
    {{- with .Values.httpProxy }}
    {{- if .host }}
    - {{ include "gatehouse.cluster" (dict "root" $ "parts" $parts "name" "http-proxy" "where" (dict "host" .host "port" .port "isTls" false)) }}
    {{- end }}
    {{- end }}
    {{- with .Values.jwksUri }}
    - {{ include "gatehouse.cluster" (dict "root" $ "parts" $parts "name" "jwks" "where" (fromJson (include "gatehouse.upstream" .)) "own" true "protocol" "plain") }}
    {{- end }}
    {{- if .Values.extAuthz.enabled }}
    - {{ include "gatehouse.cluster" (dict "root" $ "parts" $parts "name" "authz" "where" (fromJson (include "gatehouse.upstream" .Values.extAuthz.serviceUrl)) "own" true "protocol" "plain") }}
    {{- end }}
    {{- if .Values.transformer.enabled }}
    - {{ include "gatehouse.cluster" (dict "root" $ "parts" $parts "name" "transformer" "where" (fromJson (include "gatehouse.upstream" (include "gatehouse.transformer" .))) "own" true "protocol" "grpc") }}
    {{- end }}
{{- end }}

{{- define "gatehouse.connectionManager" -}}
{{- $values := .root.Values -}}
{{- $parts := .parts -}}
{{- $mappers := list -}}
{{- range $parts.local_replies }}{{ $mappers = append $mappers (fromYaml (include "gatehouse.mapper" .)) }}{{ end -}}
{{- $routes := list -}}
{{- range .upstreams -}}
{{- $rewritten := list (list "/" (printf "%s/" .prefix)) -}}
{{- if hasSuffix "/v1" .prefix }}{{ $rewritten = prepend $rewritten (list "/v1/" (printf "%s/" .prefix)) }}{{ end -}}
{{- $upstream := . -}}
{{- range $rewritten -}}
{{- $match := dict "prefix" (first .) -}}
{{- if not $values.upstream }}{{ $_ := set $match "headers" (list (dict "name" "x-gatehouse-upstream" "string_match" (dict "exact" $upstream.name))) }}{{ end -}}
{{- $route := merge (dict "cluster" $upstream.name "prefix_rewrite" (last .) "host_rewrite_literal" $upstream.authority) $parts.route -}}
{{- $routes = append $routes (dict "match" $match "route" $route) -}}
{{- end -}}
{{- end -}}
{{- if not $values.upstream -}}
{{- range $name := keys $values.regional | sortAlpha -}}
{{- $match := dict "prefix" "/" "headers" (list (dict "name" "x-gatehouse-upstream" "string_match" (dict "safe_regex" (dict "regex" (get $values.regional $name))))) -}}
{{- if $values.httpProxy.host -}}
{{- $routes = append $routes (dict "match" $match "route" (merge (dict "cluster" "regional") $parts.regional_host.route $parts.route) "request_headers_to_add" $parts.regional_host.added) -}}
{{- else -}}
{{- $host := dict "@type" "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig" "host_rewrite_header" "x-gatehouse-upstream" -}}
{{- $routes = append $routes (dict "match" $match "route" (merge (dict "cluster" "regional") $parts.route) "typed_per_filter_config" (dict "envoy.filters.http.dynamic_forward_proxy" $host)) -}}
{{- end -}}
{{- end -}}
{{- $routes = append $routes $parts.undecided -}}
{{- end -}}
{{- $host := merge (dict "routes" $routes) $parts.virtual_host -}}
{{- $own := dict
  "xff_num_trusted_hops" (int $values.trustedHops)
  "access_log" $parts.access_log
  "local_reply_config" (dict "mappers" $mappers)
  "route_config" (dict "name" "llm" "virtual_hosts" (list $host))
  "http_filters" (fromYaml (include "gatehouse.filters" .)).filters
-}}
{{- merge $own $parts.connection_manager | toYaml -}}
{{- end }}

{{- define "gatehouse.filters" -}}
{{- $values := .root.Values -}}
{{- $parts := .parts -}}
filters:
  - name: envoy.filters.http.health_check
    typed_config: {{ toJson $parts.health_check }}
  - name: envoy.filters.http.header_mutation
    typed_config: {{ toJson $parts.header_mutation }}
  - name: envoy.filters.http.rbac
    typed_config: {{ toJson $parts.escaped_slashes }}
  - name: envoy.filters.http.jwt_authn
    typed_config: {{ include "gatehouse.jwtAuthn" . }}
  {{- if $values.requestsPerMinute }}
  {{- $bucket := dict "max_tokens" (int $values.requestsPerMinute) "tokens_per_fill" (int $values.requestsPerMinute) "fill_interval" "60s" }}
  {{- $descriptor := dict "entries" (list (dict "key" "organization")) "token_bucket" $bucket }}
  - name: envoy.filters.http.local_ratelimit
    typed_config: {{ merge (dict "descriptors" (list $descriptor)) $parts.local_ratelimit | toJson }}
  {{- end }}
  {{- if $values.extAuthz.enabled }}
  - name: envoy.filters.http.ext_authz
    typed_config: {{ include "gatehouse.extAuthz" . }}
  {{- end }}
  {{- if $values.transformer.enabled }}
  - {{ include "gatehouse.transforming" . }}
  {{- end }}
  {{- if not (or $values.httpProxy.host $values.upstream) }}
  - name: envoy.filters.http.dynamic_forward_proxy
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig
      dns_cache_config: {{ toJson $parts.dns_cache }}
  {{- end }}
  - name: envoy.filters.http.router
    typed_config: {{ toJson $parts.router }}
{{- end }}

{{/* The transformer's filter. Refusals are not its to read: with one address for everything no route says so, and the
filter is made when a request has come as far as here. */}}
{{- define "gatehouse.transforming" -}}
{{- $values := .root.Values -}}
{{- $own := dict
  "grpc_service" (dict "envoy_grpc" (dict "cluster_name" "transformer"))
  "message_timeout" (printf "%vs" $values.transformer.timeoutSeconds)
  "failure_mode_allow" $values.transformer.failureModeAllow
  "processing_mode" (merge (deepCopy $values.transformer.processingMode) .parts.ext_proc.processing_mode)
-}}
{{- $filter := dict "name" "envoy.filters.http.ext_proc" "typed_config" (mergeOverwrite (deepCopy .parts.ext_proc) $own) -}}
{{- if $values.upstream -}}
{{- $input := dict "name" "path" "typed_config" (dict "@type" "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput" "header_name" ":path") -}}
{{- $predicate := dict "single_predicate" (dict "input" $input "value_match" (dict "prefix" "/")) -}}
{{- $action := dict "@type" "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction" "typed_config" $filter -}}
{{- $matcher := dict "predicate" $predicate "on_match" (dict "action" (dict "name" "transform" "typed_config" $action)) -}}
{{- $composite := dict "name" "composite" "typed_config" (dict "@type" "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite") -}}
{{- $filter = dict "name" "envoy.filters.http.composite" "typed_config" (dict
  "@type" "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher"
  "extension_config" $composite
  "xds_matcher" (dict "matcher_list" (dict "matchers" (list $matcher)))
) -}}
{{- end -}}
{{- toJson $filter -}}
{{- end }}

{{- define "gatehouse.jwtAuthn" -}}
{{- $values := .root.Values -}}
{{- $parts := .parts -}}
{{- $provider := merge (dict "issuer" $values.issuer "audiences" $values.audiences) $parts.token -}}
{{- if $values.jwksUri -}}
{{- $fetched := dict "http_uri" (dict "uri" $values.jwksUri "cluster" "jwks" "timeout" "5s") "cache_duration" (printf "%ds" (int $values.jwksCacheSeconds)) -}}
{{- $_ := set $provider "remote_jwks" (merge $fetched $parts.jwks_retry) -}}
{{- else -}}
{{- $_ := set $provider "local_jwks" (dict "inline_string" $values.jwksJson) -}}
{{- end -}}
{{- $providers := dict -}}
{{- range $name, $places := $parts.token_headers }}{{ $_ := set $providers $name (merge (dict "from_headers" $places) $provider) }}{{ end -}}
{{- $required := dict "provider_name" "bare" -}}
{{- $rules := list -}}
{{- range $parts.token_headers.bearer -}}
{{- $header := dict "name" .name "string_match" (dict "prefix" .value_prefix) -}}
{{- $rules = append $rules (dict "match" (dict "prefix" "/" "headers" (list $header)) "requires" (dict "provider_name" "bearer")) -}}
{{- end -}}
{{- if and $values.apiKeys $values.extAuthz.enabled -}}
{{- range $parts.api_keys -}}
{{- $optional := dict "requires_any" (dict "requirements" (list $required (dict "allow_missing" dict))) -}}
{{- $rules = append $rules (dict "match" (dict "prefix" "/" "headers" (list .)) "requires" $optional) -}}
{{- end -}}
{{- end -}}
{{- $rules = append $rules (dict "match" (dict "prefix" "/") "requires" $required) -}}
{{- dict "@type" "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" "providers" $providers "rules" $rules | toJson -}}
{{- end }}

{{- define "gatehouse.extAuthz" -}}
{{- $values := .root.Values.extAuthz -}}
{{- $parts := .parts -}}
{{- $told := $parts.told -}}
{{- range $values.headers.told }}{{ $told = append $told (dict "exact" (lower .)) }}{{ end -}}
{{- $injected := $parts.injected -}}
{{- range $values.headers.injected }}{{ $injected = append $injected (dict "exact" (lower .)) }}{{ end -}}
{{- $answer := dict
  "allowed_upstream_headers" (dict "patterns" $injected)
  "allowed_client_headers" (dict "patterns" $parts.denied)
  "dynamic_metadata_from_headers" (dict "patterns" $parts.logged)
-}}
{{- $service := dict
  "server_uri" (dict "uri" $values.serviceUrl "cluster" "authz" "timeout" (printf "%vs" $values.timeoutSeconds))
  "path_prefix" (printf "%s/check" ((urlParse $values.serviceUrl).path | trimSuffix "/"))
  "authorization_request" (dict "headers_to_add" $parts.said)
  "authorization_response" $answer
-}}
{{- $filter := dict "allowed_headers" (dict "patterns" $told) "http_service" $service -}}
{{- with $values.sendBody }}{{ if .enabled }}{{ $_ := set $filter "with_request_body" (dict "max_request_bytes" (int .maxBytes) "allow_partial_message" .allowPartial "pack_as_bytes" true) }}{{ end }}{{ end -}}
{{- merge $filter $parts.ext_authz | toJson -}}
{{- end }}

{{- define "gatehouse.mapper" -}}
filter:
  extension_filter:
    name: envoy.access_loggers.extension_filters.cel
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter
      expression: {{ toJson .when }}
status_code: {{ .status }}
{{- if .code }}
headers_to_add:
  {{- range $key, $value := merge (dict "x-gatehouse-denial" .code) .headers }}
  - header: {key: {{ $key }}, value: {{ toJson $value }}}
    append_action: OVERWRITE_IF_EXISTS_OR_ADD
  {{- end }}
body_format_override:
  content_type: application/problem+json
  json_format:
    type: urn:gatehouse:problem:{{ .code }}
    title: {{ .title }}
    status: {{ .status }}
    detail: {{ toJson .detail }}
    code: {{ .code }}
    request_id: "%REQ(X-REQUEST-ID)%"
{{- end }}
{{- end }}

{{- define "gatehouse.isTunnelled" -}}
{{- if .root.Values.httpProxy.host -}}
{{- $host := .host -}}
{{- $direct := false -}}
{{- range .root.Values.httpProxy.noProxy }}{{ if or (eq $host (trimPrefix "." .)) (and (hasPrefix "." .) (hasSuffix . $host)) }}{{ $direct = true }}{{ end }}{{ end -}}
{{- if not $direct }}yes{{ end -}}
{{- end -}}
{{- end }}

{{- define "gatehouse.tunnel" -}}
{{- $config := dict
  "@type" "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
  "stat_prefix" "tunnel"
  "cluster" "http-proxy"
  "idle_timeout" "900s"
  "tunneling_config" (dict "hostname" .hostname)
-}}
{{- $chain := dict "filters" (list (dict "name" "envoy.filters.network.tcp_proxy" "typed_config" $config)) -}}
{{- $listener := dict "name" (printf "tunnel %s" .name) "internal_listener" dict "filter_chains" (list $chain) -}}
{{- if .inspected -}}
{{- $inspector := dict "@type" "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" -}}
{{- $_ := set $listener "listener_filters" (list (dict "name" "envoy.filters.listener.tls_inspector" "typed_config" $inspector)) -}}
{{- end -}}
{{- toJson $listener -}}
{{- end }}

{{/* The cluster of one server, whose certificate has to be for its name. */}}
{{- define "gatehouse.cluster" -}}
{{- $isAddress := or (contains ":" .where.host) (regexMatch "^[0-9.]+$" .where.host) -}}
{{- $protocol := .protocol | default (ternary "tls" "plain" .where.isTls) -}}
{{- $address := dict "socket_address" (dict "address" .where.host "port_value" (int .where.port)) -}}
{{- if .tunnel }}{{ $address = include "gatehouse.inside" .name | fromJson }}{{ end -}}
{{- $cluster := dict
  "name" .name
  "typed_extension_protocol_options" (include "gatehouse.options" (get .parts.protocols $protocol) | fromJson)
  "load_assignment" (include "gatehouse.endpoint" (dict "name" .name "address" $address) | fromJson)
-}}
{{- if or .tunnel $isAddress -}}
{{- $_ := set $cluster "type" "STATIC" -}}
{{- else -}}
{{- $_ := set $cluster "cluster_type" (dict "name" "envoy.clusters.dns" "typed_config" .parts.names) -}}
{{- end -}}
{{- if .where.isTls -}}
{{- $source := dict "name" "authorities" "source" .root.Values.tls.authorities -}}
{{- $common := dict "tls_params" (dict "tls_minimum_protocol_version" "TLSv1_2") -}}
{{- if .own -}}
{{- with .root.Values.tls.gatehouseAuthorities }}{{ if or .configMap .secret }}{{ $source = dict "name" "gatehouse-authorities" "source" . }}{{ end }}{{ end -}}
{{- if .root.Values.tls.clientCertificate.secret }}{{ $_ := set $common "tls_certificates" (list (include "gatehouse.pair" "client" | fromJson)) }}{{ end -}}
{{- if eq .protocol "grpc" }}{{ $_ := set $common "alpn_protocols" (list "h2") }}{{ end -}}
{{- end -}}
{{- $name := dict "san_type" (ternary "IP_ADDRESS" "DNS" $isAddress) "matcher" (dict "exact" .where.host) -}}
{{- $_ := set $common "validation_context" (dict "trusted_ca" (dict "filename" (include "gatehouse.authoritiesFile" $source)) "match_typed_subject_alt_names" (list $name)) -}}
{{- $context := dict "@type" "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" "common_tls_context" $common -}}
{{- if not $isAddress }}{{ $_ := set $context "sni" .where.host }}{{ end -}}
{{- $_ := set $cluster "transport_socket" (dict "name" "envoy.transport_sockets.tls" "typed_config" $context) -}}
{{- end -}}
{{- merge $cluster .parts.cluster | toJson -}}
{{- end }}

{{/* The cluster of all hosts that fit an expression: each is looked up by its name, and has to prove it. */}}
{{- define "gatehouse.regional" -}}
{{- $protocols := merge (dict "upstream_http_protocol_options" (dict "auto_sni" true "auto_san_validation" true)) .parts.protocols.tls -}}
{{- $authorities := dict "filename" (include "gatehouse.authoritiesFile" (dict "name" "authorities" "source" .root.Values.tls.authorities)) -}}
{{- $common := dict "tls_params" (dict "tls_minimum_protocol_version" "TLSv1_2") "validation_context" (dict "trusted_ca" $authorities) -}}
{{- $context := dict "@type" "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" "common_tls_context" $common -}}
{{- $cluster := dict "name" "regional" "transport_socket" (dict "name" "envoy.transport_sockets.tls" "typed_config" $context) -}}
{{- if .root.Values.httpProxy.host -}}
{{- $_ := set $protocols "http_filters" .parts.regional_host.http_filters -}}
{{- $_ := set $cluster "type" "STATIC" -}}
{{- $_ := set $cluster "load_assignment" (include "gatehouse.endpoint" (dict "name" "regional" "address" (include "gatehouse.inside" "regional" | fromJson)) | fromJson) -}}
{{- else -}}
{{- $config := dict "@type" "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig" "dns_cache_config" .parts.dns_cache -}}
{{- $_ := set $cluster "lb_policy" "CLUSTER_PROVIDED" -}}
{{- $_ := set $cluster "cluster_type" (dict "name" "envoy.clusters.dynamic_forward_proxy" "typed_config" $config) -}}
{{- end -}}
{{- $_ := set $cluster "typed_extension_protocol_options" (include "gatehouse.options" $protocols | fromJson) -}}
{{- merge $cluster .parts.cluster | toJson -}}
{{- end }}

{{- define "gatehouse.options" -}}
{{- $kind := "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" -}}
{{- dict $kind (merge (dict "@type" (printf "type.googleapis.com/%s" $kind)) .) | toJson -}}
{{- end }}

{{- define "gatehouse.endpoint" -}}
{{- $endpoints := list (dict "lb_endpoints" (list (dict "endpoint" (dict "address" .address)))) -}}
{{- dict "cluster_name" .name "endpoints" $endpoints | toJson -}}
{{- end }}

{{- define "gatehouse.inside" -}}
{{- dict "envoy_internal_address" (dict "server_listener_name" (printf "tunnel %s" .) "endpoint_id" .) | toJson -}}
{{- end }}

{{- define "gatehouse.pair" -}}
{{- $directory := printf "/etc/gatehouse/%s" . -}}
{{- dict "certificate_chain" (dict "filename" (printf "%s/tls.crt" $directory)) "private_key" (dict "filename" (printf "%s/tls.key" $directory)) | toJson -}}
{{- end }}
