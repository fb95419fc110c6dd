{{- define "eventstreams.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "eventstreams.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "eventstreams.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "eventstreams.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "eventstreams.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "eventstreams.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The API's own address: as it is given, or that of an ingress with TLS, behind which the API itself sees http. */}}
{{- define "eventstreams.publicUrl" -}}
{{- if .Values.api.publicUrl -}}
{{- .Values.api.publicUrl -}}
{{- else if and .Values.ingress.enabled .Values.ingress.tlsSecret -}}
{{- printf "https://%s" .Values.ingress.host -}}
{{- end -}}
{{- end -}}

{{- define "eventstreams.bootstrap" -}}
{{- if .Values.kafka.bootstrapServers -}}
{{- .Values.kafka.bootstrapServers -}}
{{- else if .Values.strimzi.enabled -}}
{{- printf "%s-kafka-kafka-bootstrap:9093" (include "eventstreams.name" .) -}}
{{- else -}}
{{- fail "kafka.bootstrapServers is required: host:port of your Kafka" -}}
{{- end -}}
{{- end -}}

{{- define "eventstreams.secret" -}}
{{- .Values.secrets.existingSecret | default (include "eventstreams.name" .) -}}
{{- end -}}

{{- define "eventstreams.kafkaSecret" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- if $sasl.existingSecret -}}{{ $sasl.existingSecret }}
{{- else if .Values.strimzi.enabled -}}{{ include "eventstreams.name" . }}-user
{{- else -}}{{ include "eventstreams.name" . }}-kafka
{{- end -}}
{{- end -}}

{{/* When topics are made: before the roles, but not before a Kafka that is installed beside them. */}}
{{- define "eventstreams.topicsHooks" -}}
{{- ternary "post-install,pre-upgrade" "pre-install,pre-upgrade" .Values.strimzi.enabled -}}
{{- end -}}

{{- define "eventstreams.mechanism" -}}
{{- ternary "SCRAM-SHA-512" .Values.kafka.sasl.mechanism .Values.strimzi.enabled -}}
{{- end -}}

{{/* The settings that the chart gives by itself, and what to give in their place: by `settings` they would stand beside it. */}}
{{- define "eventstreams.ownedSettings" -}}
KAFKA: kafka.bootstrapServers
TOPIC_PREFIX: kafka.topicPrefix
REPLICATION_FACTOR: kafka.replicationFactor
KAFKA_TLS: kafka.tls.enabled
KAFKA_TLS_AUTHORITIES: kafka.tls.authoritiesSecret
KAFKA_TLS_CERTIFICATE: kafka.tls.clientSecret
KAFKA_TLS_KEY: kafka.tls.clientSecret
KAFKA_SASL: kafka.sasl.mechanism
KAFKA_USERNAME: kafka.sasl.username
KAFKA_PASSWORD: kafka.sasl.existingSecret
KAFKA_OAUTH_TOKEN_URL: kafka.sasl.oauth.tokenUrl
KAFKA_OAUTH_CLIENT_ID: kafka.sasl.oauth.clientId
KAFKA_OAUTH_CLIENT_SECRET: kafka.sasl.existingSecret
KAFKA_OAUTH_SCOPE: kafka.sasl.oauth.scope
SECRET_KEY: secrets.existingSecret or secrets.secretKey
ACCOUNT_SID: secrets.existingSecret or secrets.accountSid
AUTH_TOKEN: secrets.existingSecret or secrets.authToken
OPERATOR_TOKEN: secrets.existingSecret or secrets.operatorToken
API_ADVERTISED_URL: nothing, each pod tells its own address
PUBLIC_URL: api.publicUrl
{{- if .Values.gateway.enabled }}
GATEWAY_URL: nothing, the API knows the gateway's service
API_URL: nothing, the gateway knows the API's service
{{- end }}
API_LISTEN: nothing, the services know its port
GATEWAY_LISTEN: nothing, the services know its port
INSTANCE: router.statefulSet, or that of workers
ADMIN_LISTEN: nothing, the probes know its port
{{- if .Values.api.deliveryLog.postgresqlSecret }}
DELIVERY_LOG: api.deliveryLog.postgresqlSecret
{{- end }}
{{- end -}}

{{/* The settings that are nothing but a secret, beside those above. Everybody who may read ConfigMaps reads `settings`. */}}
{{- define "eventstreams.secretSettings" -}}
[SMTP_PASSWORD, KAFKA_TLS_KEY_PASSWORD, SCHEMA_REGISTRY_AUTH]
{{- end -}}

{{/* Settings that are no secrets, of all roles: a dictionary of variables. */}}
{{- define "eventstreams.settings" -}}
{{- $kafka := .Values.kafka -}}
EVENTSTREAMS_KAFKA: {{ include "eventstreams.bootstrap" . | quote }}
{{- if not (hasKey .Values.settings "KAFKA_WAIT") }}
EVENTSTREAMS_KAFKA_WAIT: 2m
{{- end }}
EVENTSTREAMS_TOPIC_PREFIX: {{ $kafka.topicPrefix | quote }}
EVENTSTREAMS_REPLICATION_FACTOR: {{ $kafka.replicationFactor | quote }}
{{- if or $kafka.tls.enabled .Values.strimzi.enabled }}
EVENTSTREAMS_KAFKA_TLS: "true"
{{- if or $kafka.tls.authoritiesSecret .Values.strimzi.enabled }}
EVENTSTREAMS_KAFKA_TLS_AUTHORITIES: /etc/eventstreams/kafka-authorities/ca.crt
{{- end }}
{{- if $kafka.tls.clientSecret }}
EVENTSTREAMS_KAFKA_TLS_CERTIFICATE: /etc/eventstreams/kafka-client/tls.crt
EVENTSTREAMS_KAFKA_TLS_KEY: /etc/eventstreams/kafka-client/tls.key
{{- end }}
{{- end }}
{{- $mechanism := include "eventstreams.mechanism" . }}
EVENTSTREAMS_KAFKA_SASL: {{ $mechanism }}
{{- if eq $mechanism "OAUTHBEARER" }}
EVENTSTREAMS_KAFKA_OAUTH_TOKEN_URL: {{ required "kafka.sasl.oauth.tokenUrl must be given for OAUTHBEARER" $kafka.sasl.oauth.tokenUrl | quote }}
EVENTSTREAMS_KAFKA_OAUTH_CLIENT_ID: {{ required "kafka.sasl.oauth.clientId must be given for OAUTHBEARER" $kafka.sasl.oauth.clientId | quote }}
{{- with $kafka.sasl.oauth.scope }}
EVENTSTREAMS_KAFKA_OAUTH_SCOPE: {{ . | quote }}
{{- end }}
{{- else if .Values.strimzi.enabled }}
EVENTSTREAMS_KAFKA_USERNAME: {{ include "eventstreams.name" . }}-user
{{- else if ne $mechanism "none" }}
EVENTSTREAMS_KAFKA_USERNAME: {{ required (printf "kafka.sasl.username must be given for %s" $mechanism) $kafka.sasl.username | quote }}
{{- end }}
{{- $owned := include "eventstreams.ownedSettings" . | fromYaml }}
{{- $secret := include "eventstreams.secretSettings" . | fromYamlArray }}
{{- range $name, $value := .Values.settings }}
{{- if has $name $secret }}
{{- fail (printf "settings.%s would be visible to anyone who can read ConfigMaps: give EVENTSTREAMS_%s from a Secret, in the env of the roles that need it or in extraEnv" $name $name) }}
{{- end }}
{{- with get $owned $name }}
{{- fail (printf "settings.%s would conflict with what the chart sets: give %s" $name .) }}
{{- end }}
{{- /* Helm's numbers are floating-point: toString would say 1e+06. */}}
EVENTSTREAMS_{{ $name }}: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end -}}

{{/* Environment of one container. Takes root, role, and whether the role knows our own secrets. */}}
{{- define "eventstreams.env" -}}
{{- $root := .root -}}
{{- $mechanism := include "eventstreams.mechanism" $root -}}
{{- if ne $mechanism "none" }}
- name: {{ ternary "EVENTSTREAMS_KAFKA_OAUTH_CLIENT_SECRET" "EVENTSTREAMS_KAFKA_PASSWORD" (eq $mechanism "OAUTHBEARER") }}
  valueFrom: {secretKeyRef: {name: {{ include "eventstreams.kafkaSecret" $root }}, key: {{ ternary "password" $root.Values.kafka.sasl.passwordKey $root.Values.strimzi.enabled }}}}
{{- end }}
{{- if .secrets }}
- name: EVENTSTREAMS_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ include "eventstreams.secret" $root }}, key: secret-key}}
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "eventstreams.volumes" -}}
{{- $root := .root -}}
{{- $tls := $root.Values.kafka.tls -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
- name: state
  emptyDir: {sizeLimit: {{ .stateLimit | default "64Mi" }}}
{{- if $root.Values.strimzi.enabled }}
- name: kafka-authorities
  secret:
    secretName: {{ include "eventstreams.name" $root }}-kafka-cluster-ca-cert
    items: [{key: ca.crt, path: ca.crt}]
{{- else if and $tls.enabled $tls.authoritiesSecret }}
- name: kafka-authorities
  secret:
    secretName: {{ $tls.authoritiesSecret }}
    items: [{key: {{ $tls.authoritiesKey | quote }}, path: ca.crt}]
{{- end }}
{{- if and $tls.enabled $tls.clientSecret }}
- name: kafka-client
  secret:
    secretName: {{ $tls.clientSecret }}
    items: [{key: {{ $tls.certificateKey | quote }}, path: tls.crt}, {key: {{ $tls.keyKey | quote }}, path: tls.key}]
{{- end }}
{{- with $root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "eventstreams.mounts" -}}
{{- $root := .root -}}
{{- $tls := $root.Values.kafka.tls -}}
- {name: tmp, mountPath: /tmp}
- {name: state, mountPath: /var/lib/eventstreams}
{{- if or $root.Values.strimzi.enabled (and $tls.enabled $tls.authoritiesSecret) }}
- {name: kafka-authorities, mountPath: /etc/eventstreams/kafka-authorities, readOnly: true}
{{- end }}
{{- if and $tls.enabled $tls.clientSecret }}
- {name: kafka-client, mountPath: /etc/eventstreams/kafka-client, readOnly: true}
{{- end }}
{{- with $root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "eventstreams.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Where a pod runs. Takes the values of a role, or the defaults. */}}
{{- define "eventstreams.placement" -}}
{{- $fields := dict -}}
{{- range $name := list "priorityClassName" "nodeSelector" "tolerations" "affinity" -}}
{{- with get $ $name }}{{ $_ := set $fields $name . }}{{ end -}}
{{- end -}}
{{- if $fields }}{{ toYaml $fields }}{{ end -}}
{{- end -}}

{{- define "eventstreams.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Changes with what the pods read at their start, so that they are replaced when it does. */}}
{{- define "eventstreams.checksum" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- $password := ternary "" $sasl.password (not (empty $sasl.existingSecret)) -}}
{{- printf "%s%s%s" (include "eventstreams.settings" .) (include "eventstreams.secretValues" .) $password | sha256sum -}}
{{- end -}}

{{- define "eventstreams.secretValues" -}}
{{- with .Values.secrets -}}
{{- if not .existingSecret -}}
secret-key: {{ required "secrets.existingSecret must be given, or secrets.secretKey: `eventstreams new-key` makes one" .secretKey | quote }}
account-sid: {{ required "secrets.existingSecret must be given, or secrets.accountSid: AC and 32 hexadecimal digits" .accountSid | quote }}
auth-token: {{ required "secrets.existingSecret must be given, or secrets.authToken, of 8 characters or more" .authToken | quote }}
operator-token: {{ .operatorToken | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the API of this release tells, of one metric; another release may be in the namespace. Takes root, metric, labels. */}}
{{- define "eventstreams.told" -}}
{{- $pods := printf "%s-api-[a-z0-9]+-[a-z0-9]+" (include "eventstreams.name" .root) -}}
{{- printf "max(eventstreams_%s{%snamespace=%q,pod=~%q})" .metric .labels .root.Release.Namespace $pods -}}
{{- end -}}

{{- define "eventstreams.dnsAndKafka" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
- ports:
    {{- range .Values.networkPolicy.kafkaPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- if .Values.networkPolicy.kafkaTo }}
  to:
    {{- toYaml .Values.networkPolicy.kafkaTo | nindent 4 }}
  {{- else if .Values.strimzi.enabled }}
  to:
    - podSelector:
        matchLabels:
          strimzi.io/cluster: {{ include "eventstreams.name" . }}-kafka
  {{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* How many pods a role has that no autoscaler owns: one where nothing is said, and none where none is asked for. */}}
{{- define "eventstreams.replicas" -}}
{{- ternary 1 (int .replicas) (kindIs "invalid" .replicas) -}}
{{- end -}}

{{/* The sink types that have workers: `none` where there are none, as the setting has it. */}}
{{- define "eventstreams.sinkTypes" -}}
{{- $types := list -}}
{{- range $type, $given := .Values.workers -}}
{{- $values := $given | default dict -}}
{{- if or (ne (dig "autoscaling" "kind" "none" $values) "none") (ne (include "eventstreams.replicas" $values) "0") -}}
{{- $types = append $types $type -}}
{{- end -}}
{{- end -}}
{{- $types | sortAlpha | join "," | default "none" -}}
{{- end -}}

{{- define "eventstreams.apiEnv" -}}
{{- $secret := include "eventstreams.secret" . -}}
- name: EVENTSTREAMS_ACCOUNT_SID
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: account-sid}}
- name: EVENTSTREAMS_AUTH_TOKEN
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: auth-token}}
{{- if or .Values.secrets.existingSecret .Values.secrets.operatorToken }}
- name: EVENTSTREAMS_OPERATOR_TOKEN
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: operator-token, optional: true}}
{{- end }}
{{- if not (hasKey .Values.settings "SINK_TYPES") }}
# What has no worker here cannot be subscribed to: its events would wait for nobody.
- name: EVENTSTREAMS_SINK_TYPES
  value: {{ include "eventstreams.sinkTypes" . | quote }}
{{- end }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
# One of the replicas takes the writes; the others hand theirs to it, at this address.
- name: EVENTSTREAMS_API_ADVERTISED_URL
  value: http://$(POD_IP):8080
{{- if .Values.gateway.enabled }}
- name: EVENTSTREAMS_GATEWAY_URL
  value: http://{{ include "eventstreams.name" . }}-gateway:{{ .Values.gateway.service.port }}
{{- end }}
{{- with include "eventstreams.publicUrl" . }}
- name: EVENTSTREAMS_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.api.deliveryLog }}
{{- if .postgresqlSecret }}
- name: EVENTSTREAMS_DELIVERY_LOG
  valueFrom: {secretKeyRef: {name: {{ .postgresqlSecret }}, key: {{ .dsnKey }}}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "eventstreams.namedEnv" -}}
# With a name that it keeps a process has its partitions again once it is back, and nobody else takes them meanwhile.
- name: EVENTSTREAMS_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- if not (hasKey .Values.settings "SESSION_TIMEOUT") }}
- name: EVENTSTREAMS_SESSION_TIMEOUT
  value: 45s
{{- end }}
{{- end -}}

{{- define "eventstreams.gatewayEnv" -}}
# What lists events has the path of what publishes them, and comes here where an Ingress has one host for both.
- name: EVENTSTREAMS_API_URL
  value: http://{{ include "eventstreams.name" . }}-api:{{ .Values.api.service.port }}
{{- end -}}

{{/*
A role: its Deployment, or StatefulSet, and its disruption budget. Takes
  root, role (name and label), args, values (of the role), secrets (whether it has our own), env (more, as text),
  ports (more, as text), stateLimit.
*/}}
{{- define "eventstreams.role" -}}
{{- $root := .root -}}
{{- $values := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy .values) -}}
{{- $name := printf "%s-%s" (include "eventstreams.name" $root) .role -}}
{{- $kind := dig "autoscaling" "kind" "none" $values -}}
{{- /* minAvailable in place of the default's maxUnavailable: Kubernetes takes one of the two. */ -}}
{{- $budget := .values.podDisruptionBudget | default $root.Values.defaults.podDisruptionBudget | default dict -}}
{{- if hasKey $budget "minAvailable" }}{{ $budget = omit $budget "maxUnavailable" }}{{ end -}}
{{- $replicas := ternary (int (include "eventstreams.replicas" $values)) (int (dig "autoscaling" "max" 1 $values)) (eq $kind "none") -}}
{{- $keepsNames := $values.statefulSet | default false -}}
{{- include "eventstreams.checkRole" (dict "root" $root "role" .role "values" $values "waits" (not (empty .ports))) -}}
{{- if and $keepsNames (ne $kind "none") }}
{{- fail (printf "%s: statefulSet and autoscaling cannot be combined: what a scaled-down pod leaves behind would wait for it" .role) }}
{{- end -}}
{{- /* A label of its pods is this and a hash. */ -}}
{{- if and $keepsNames (gt (len $name) 52) }}
{{- fail (printf "%s: a StatefulSet's name may have at most 52 characters, but %s has %d: give a shorter fullnameOverride" .role $name (len $name)) }}
{{- end -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $keepsNames }}
metadata:
  name: {{ $name }}
  labels:
    {{- include "eventstreams.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if eq $kind "none" }}
  replicas: {{ include "eventstreams.replicas" $values }}
  {{- end }}
  revisionHistoryLimit: 5
  {{- if $keepsNames }}
  serviceName: {{ $name }} # there is none: nobody asks for a pod by its name
  podManagementPolicy: Parallel
  {{- else }}
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- end }}
  selector:
    matchLabels:
      {{- include "eventstreams.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "eventstreams.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/settings: {{ include "eventstreams.checksum" $root }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $values.serviceAccountName | default (include "eventstreams.serviceAccount" $root) }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      securityContext:
        {{- include "eventstreams.podSecurity" $root | nindent 8 }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with include "eventstreams.placement" $values }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if $values.topologySpread }}
      topologySpreadConstraints:
        {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ $key }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "eventstreams.selector" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ .role }}
          image: {{ include "eventstreams.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          securityContext:
            {{- include "eventstreams.containerSecurity" $root | nindent 12 }}
          envFrom:
            - configMapRef: {name: {{ include "eventstreams.name" $root }}}
          {{- $named := ternary (include "eventstreams.namedEnv" $root) "" $keepsNames }}
          {{- $env := printf "%s\n%s\n%s" (include "eventstreams.env" . | trim) (.env | default "") $named | trim }}
          {{- if or $env $values.env }}
          env:
            {{- with $env }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $values.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
          ports:
            - {name: admin, containerPort: 9100}
            {{- with .ports }}
            {{- . | nindent 12 }}
            {{- end }}
          # A process that starts waits for Kafka, at most KAFKA_WAIT; then the loop's progress counts.
          startupProbe:
            httpGet: {path: /livez, port: admin}
            periodSeconds: 5
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 3
          {{- if and .ports $values.preStopSeconds }}
          # A Service takes a moment to notice that a pod ends; a port that is closed by then refuses a client.
          lifecycle:
            preStop:
              exec: {command: [sleep, {{ $values.preStopSeconds | quote }}]}
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            {{- include "eventstreams.mounts" . | nindent 12 }}
      volumes:
        {{- include "eventstreams.volumes" . | nindent 8 }}
{{- if and $budget (gt $replicas 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "eventstreams.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- toYaml $budget | nindent 2 }}
  selector:
    matchLabels:
      {{- include "eventstreams.selector" . | nindent 6 }}
{{- end }}
{{- if eq $kind "hpa" }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "eventstreams.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ max 1 (int $values.autoscaling.min) }}
  maxReplicas: {{ $values.autoscaling.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $values.autoscaling.cpuPercent }}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 300}
{{- else if eq $kind "keda" }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $name }}
  labels:
    {{- include "eventstreams.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  scaleTargetRef: {name: {{ $name }}}
  minReplicaCount: {{ $values.autoscaling.min }}
  maxReplicaCount: {{ $values.autoscaling.max }}
  pollingInterval: {{ $root.Values.keda.pollingInterval }}
  cooldownPeriod: {{ $root.Values.keda.cooldownPeriod }}
  # Each change moves partitions from one pod to another: not for a moment's wave.
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown: {stabilizationWindowSeconds: 300}
  triggers:
    - type: prometheus
      metadata:
        serverAddress: {{ required "keda.prometheusAddress must be given: KEDA asks Prometheus what is due" $root.Values.keda.prometheusAddress | quote }}
        query: {{ .due | quote }}
        threshold: {{ $values.autoscaling.threshold | quote }}
        activationThreshold: "0"
        # Without figures nothing is known of the load, and nothing is scaled; null would count as no load.
        ignoreNullValues: "false"
{{- end }}
{{- end -}}
