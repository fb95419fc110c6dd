#!/bin/sh
# Makes certificates/ for compose.tls.yaml: an authority of this installation's own, and what it says of the broker.
# Needs openssl. What is there stays; to renew (they are valid for ten years and one), move the folder away first.
set -eu
cd "$(dirname "$0")"

command -v openssl >/dev/null || {
    echo "new-certificates.sh: openssl is missing: install it" >&2
    exit 3
}
if [ -e certificates/broker.pem ]; then
    echo "new-certificates.sh: certificates/ already exists: keep it, or move it away first" >&2
    exit 1
fi
mkdir -p -m 700 certificates # so that other users of this machine get at nothing in it
cd certificates
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
# shellcheck disable=SC2086 # several words each
openssl req -x509 $key -keyout ca.key -out ca.pem -days 3650 -subj "/CN=Event Streams" 2>/dev/null
openssl req $key -keyout broker.key -out broker.csr -subj /CN=kafka 2>/dev/null
printf 'subjectAltName=DNS:kafka,DNS:localhost,IP:127.0.0.1\n' >broker.ext
openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile broker.ext -out broker.crt 2>/dev/null
cat broker.key broker.crt ca.pem >broker.pem
rm broker.key broker.csr broker.ext broker.crt ca.srl
chmod 600 ca.key
chmod 644 ca.pem broker.pem # containers have users of their own
echo "deploy/compose/certificates created; ca.key is only needed to sign the next one: keep it elsewhere"
