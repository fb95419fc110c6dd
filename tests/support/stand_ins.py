"""What a page's commands run against in a test, in place of the reader's installation.

Shell functions: ``docker compose`` answers for the processes of ``eventstreams up``, and what goes on until somebody
ends it is ended once it is at work.
"""

from typing import Final

FUNCTIONS: Final = r"""
# A second process of the API, which a page starts, may become the primary for a moment: 503 until then.
curl() { command curl -fsS --retry 9 --retry-delay 1 "$@" && echo; }

docker() {
  case "$2 $3" in
    "logs --since") shift 4; for each; do cat "$LOGS/$each.log"; done ;;
    "ps -a") ls "$LOGS" ;;
    "exec "*) shift 3; "$@" ;;
    *) echo "docker $*: nothing stands in for it" >&2; return 1 ;;
  esac
}

# A log in which there is nothing to find is a good one.
grep_log() { grep "$@" || [ $? = 1 ]; }

until_ready() {
  rm -f until.log # of the one before
  EVENTSTREAMS_ADMIN_LISTEN="$SPARE" EVENTSTREAMS_API_LISTEN=127.0.0.1:0 EVENTSTREAMS_DELIVERY_LOG=off \
    "$@" > until.log 2>&1 &
  local began=$SECONDS
  while kill -0 $! 2> /dev/null && [ $((SECONDS - began)) -lt 120 ]; do
    if grep -qs 'listening on' until.log || command curl -fs "http://$SPARE/readyz" > /dev/null; then
      kill $!
      wait $!
      return
    fi
    sleep 0.1
  done
  kill -9 $! 2> /dev/null
  cat until.log
  return 1
}
"""
