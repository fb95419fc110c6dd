{{/*
What the schema cannot say: values that contradict each other. Without these, a pod would be killed in the middle of its
drain, wait for a Secret that nobody makes, or talk to Kafka in clear text, and no word would be said of it.
*/}}

{{/* Seconds, rounded up, of a duration as settings have it (eventstreams/durations.py). Takes name, value. */}}
{{- define "eventstreams.seconds" -}}
{{- $form := "^\\s*([0-9]+(?:\\.[0-9]+)?)\\s*(ms|s|m|h|d)\\s*$" -}}
{{- $text := .value | toString -}}
{{- if not (regexMatch $form $text) -}}
{{- fail (printf "%s: %q is not a duration: write a number followed by ms, s, m, h or d, such as 30s" .name $text) -}}
{{- end -}}
{{- $unit := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) (regexReplaceAll $form $text "${2}") -}}
{{- mulf (regexReplaceAll $form $text "${1}" | float64) $unit | ceil | int64 -}}
{{- end -}}

{{/* A setting of one role: its own env wins, then extraEnv, then `settings`. Takes root, values, setting, default. */}}
{{- define "eventstreams.setting" -}}
{{- $value := get .root.Values.settings .setting | default .default -}}
{{- range concat (.root.Values.extraEnv | default list) (.values.env | default list) -}}
{{- if and (eq .name (printf "EVENTSTREAMS_%s" $.setting)) (hasKey . "value") }}{{ $value = .value }}{{ end -}}
{{- end -}}
{{- $value -}}
{{- end -}}

{{/* Takes root, role, values (of the role, with the defaults), waits (whether it has a preStop). */}}
{{- define "eventstreams.checkRole" -}}
{{- $drain := include "eventstreams.setting" (dict "root" .root "values" .values "setting" "DRAIN_TIMEOUT" "default" "20s") -}}
{{- $drain_s := include "eventstreams.seconds" (dict "name" "settings.DRAIN_TIMEOUT" "value" $drain) | int -}}
{{- $waits_s := ternary (int .values.preStopSeconds) 0 .waits -}}
{{- $grace_s := int .values.terminationGracePeriodSeconds -}}
{{- if le $grace_s (add $waits_s $drain_s | int) -}}
{{- fail (printf "%s: terminationGracePeriodSeconds is %d, but its pods take up to %d s to end: preStopSeconds (%d) and the setting DRAIN_TIMEOUT (%s). Give %d or more" .role $grace_s (add $waits_s $drain_s) $waits_s $drain (add $waits_s $drain_s 5)) -}}
{{- end -}}
{{- with .values.autoscaling -}}
{{- if and (ne .kind "none") (gt (int .min) (int .max)) -}}
{{- fail (printf "%s: autoscaling.min (%d) is more than autoscaling.max (%d)" $.role (int .min) (int .max)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "eventstreams.check" -}}
{{- $kafka := .Values.kafka -}}
{{- if .Values.strimzi.enabled -}}
{{- if gt (int $kafka.replicationFactor) (int .Values.strimzi.brokers) -}}
{{- fail (printf "kafka.replicationFactor (%d) is more than strimzi.brokers (%d)" (int $kafka.replicationFactor) (int .Values.strimzi.brokers)) -}}
{{- end -}}
{{- else -}}
{{- range $name := list "authoritiesSecret" "clientSecret" -}}
{{- if and (get $kafka.tls $name) (not $kafka.tls.enabled) -}}
{{- fail (printf "kafka.tls.%s is given, so kafka.tls.enabled must be true: Kafka would be talked to in clear text" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "username" "password" "existingSecret" -}}
{{- if and (get $kafka.sasl $name) (eq $kafka.sasl.mechanism "none") -}}
{{- fail (printf "kafka.sasl.%s is given, so kafka.sasl.mechanism must be too: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (ne $kafka.sasl.mechanism "none") (not $kafka.sasl.existingSecret) (not $kafka.sasl.password) -}}
{{- fail (printf "kafka.sasl.existingSecret must be given for %s, or kafka.sasl.password" $kafka.sasl.mechanism) -}}
{{- end -}}
{{- end -}}
{{- end -}}
