"""What the router gives up holds up nothing else in its process, whatever librdkafka's threads are waiting for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventstreams.verify.nemesis.host import compiler

LOOKUP_S = 5  # as long as a resolver waits for a name server that is gone, once
COMPILE_S = 60.0

RESOLVER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  if (name && strcmp(name, "broker.invalid") == 0) {
    close(creat(getenv("ASKED"), 0600));
    sleep(LOOKUP_S);
    return EAI_AGAIN;
  }
  return ((typeof(&getaddrinfo))dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}
"""

BEGIN = """
import os, time
from pathlib import Path
from types import SimpleNamespace
from confluent_kafka import Producer
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings
from router.at_least_once import probe_copies
from router.exactly_once.transactions import Transactions
from router.planning.plan import Copy

settings = Settings.load(kafka="broker.invalid:9092")

def end(give_up):
    while not Path(os.environ["ASKED"]).exists():
        time.sleep(0.01)
    began = time.monotonic()
    give_up()
    os.write(1, b"%f" % (time.monotonic() - began))
    os._exit(0)  # not waiting for librdkafka's threads
"""
COPIES = """
transactions = Transactions(settings, turned=lambda: None)
transactions._client = Producer(client_config(settings))
transactions["topic"]("topic", b"value")
end(transactions.give_back)
"""
PROBE = """
probe_copies._PATIENCE_S = -1.0
out = probe_copies.ProbeCopies(settings)
out.send(Copy("topic", []), SimpleNamespace(key=None, value=b"value"), None, partition=-1)
end(out.back)
"""


@pytest.mark.skipif(compiler() is None, reason="a resolver that takes its time is made with a C compiler, on Linux")
@pytest.mark.parametrize("given_up", [COPIES, PROBE], ids=["copies", "probe"])
def test_giving_up_does_not_wait_until_a_name_is_looked_up(tmp_path: Path, given_up: str) -> None:
    """It would wait with the interpreter's lock: no heartbeat, no event, no signal."""
    source, library = tmp_path / "resolver.c", tmp_path / "resolver.so"
    source.write_text(RESOLVER)
    command = ["cc", f"-DLOOKUP_S={LOOKUP_S}", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=COMPILE_S)

    environment = os.environ | {"LD_PRELOAD": str(library), "ASKED": str(tmp_path / "asked")}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + given_up], env=environment, stdout=subprocess.PIPE, check=True, timeout=60
    )

    assert float(done.stdout) < LOOKUP_S / 2
