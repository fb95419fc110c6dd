"""``python examples/receiver.py TOKEN [PORT]``: prints the events it receives, after checking their signature."""

import argparse
import json
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.request_validator import RequestValidator
from typing_extensions import override


class Receiver(BaseHTTPRequestHandler):
    validator: RequestValidator

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        url = f"http://{self.headers['Host']}{self.path}"
        genuine = self.validator.validate(url, body, self.headers.get("X-Twilio-Signature", ""))
        self.send_response(200 if genuine else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()
        for event in json.loads(body) if genuine else ():
            line = f"{event['type']} {event['id']} {json.dumps(event['data'])}\n"
            sys.stdout.write(line)  # one call: requests are served side by side
            sys.stdout.flush()

    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: only events are printed."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints the events that it gets.")
    parser.add_argument("token", help="the auth token that `eventstreams up` prints")
    parser.add_argument("port", nargs="?", type=int, default=9000)
    arguments = parser.parse_args()
    Receiver.validator = RequestValidator(arguments.token)
    try:
        listening = ThreadingHTTPServer(("127.0.0.1", arguments.port), Receiver)
    except OSError as error:
        parser.error(f"cannot listen on port {arguments.port}: {error.strerror}; name another one behind the token")
    with listening as server, suppress(KeyboardInterrupt):
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
