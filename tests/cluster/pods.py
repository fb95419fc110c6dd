"""Tells Prometheus which pods there are (HTTP service discovery): Debian's build of it knows nothing of Kubernetes."""

import json
import ssl
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from typing_extensions import override

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PORT = 8001


def targets() -> list[dict[str, object]]:
    """The ports ``admin`` of all pods that have an address, with the labels that a PodMonitor gives."""
    namespace = (ACCOUNT / "namespace").read_text()
    request = urllib.request.Request(
        f"https://kubernetes.default.svc/api/v1/namespaces/{namespace}/pods",
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"},
    )
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trusted, timeout=10) as answer:
        pods = json.load(answer)["items"]
    return [
        {
            "targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
            "labels": {"namespace": namespace, "pod": pod["metadata"]["name"]},
        }
        for pod in pods
        if pod["status"].get("podIP")
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if port.get("name") == "admin"
    ]


class Teller(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(targets()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing for each request."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", PORT), Teller).serve_forever()
