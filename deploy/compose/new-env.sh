#!/bin/sh
# Writes .env with secrets that nobody else has. Usage: sh new-env.sh [--try]
#   --try   for trying it out: with compose.try.yaml, in which webhooks may reach containers beside them
# Needs nothing but a shell. It never touches a .env that is there: its EVENTSTREAMS_SECRET_KEY opens what is in Kafka.
set -eu
cd "$(dirname "$0")"

files=compose.yaml
case "${1:-}" in
"") ;;
--try) files=compose.yaml:compose.try.yaml ;;
*)
    echo "new-env.sh: '$1' is not an option: use --try, or nothing" >&2
    exit 2
    ;;
esac
if [ -e .env ]; then
    echo "new-env.sh: .env already exists: keep it, or move it away first (its EVENTSTREAMS_SECRET_KEY decrypts the secrets in Kafka)" >&2
    exit 1
fi

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }

umask 077
{
    echo "COMPOSE_PATH_SEPARATOR=:"
    echo "COMPOSE_FILE=$files"
    sed -e "s|^EVENTSTREAMS_SECRET_KEY=.*|EVENTSTREAMS_SECRET_KEY=$(key)|" \
        -e "s|^EVENTSTREAMS_ACCOUNT_SID=.*|EVENTSTREAMS_ACCOUNT_SID=AC$(hex 16)|" \
        -e "s|^EVENTSTREAMS_AUTH_TOKEN=.*|EVENTSTREAMS_AUTH_TOKEN=$(hex 16)|" \
        -e "s|^EVENTSTREAMS_OPERATOR_TOKEN=.*|EVENTSTREAMS_OPERATOR_TOKEN=$(hex 32)|" \
        -e "s|^KAFKA_PASSWORD=.*|KAFKA_PASSWORD=$(hex 16)|" \
        -e "s|^KAFKA_BROKER_PASSWORD=.*|KAFKA_BROKER_PASSWORD=$(hex 16)|" \
        -e "s|^GRAFANA_PASSWORD=.*|GRAFANA_PASSWORD=$(hex 16)|" \
        .env.example
} >.env.new
mv .env.new .env
echo "deploy/compose/.env written, readable only by you; keep a copy of it in a safe place"
