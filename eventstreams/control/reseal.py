"""Re-encrypts the secrets of a resource under the first key. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from eventstreams.control.records import Account, Resource, SinkRecord
from eventstreams.control.vault import Purpose, Vault


def secrets_of(resource: Resource) -> Sequence[tuple[Purpose, str]]:
    """The encrypted secrets of ``resource`` with their purposes; empty if it holds none."""
    match resource:
        case Account(auth_token=token, secondary_token=second):
            return [(Purpose.AUTH_TOKEN, each) for each in (token, second) if each is not None]
        case SinkRecord(configuration=configuration, test_id=test_id):
            found = [(Purpose.SINK_CONFIGURATION, configuration)]
            return [*found, *([(Purpose.SINK_TEST, test_id)] if test_id is not None else [])]
        case _:
            return ()


def resealed(resource: Resource, vault: Vault) -> Resource:
    """``resource`` with each of its secrets encrypted under the first key.

    Raises:
        SettingsError: none of the keys decrypts one of the secrets.
    """
    match resource:
        case SinkRecord(sid=sid):
            configuration = vault.relock(resource.configuration, Purpose.SINK_CONFIGURATION, sid)
            test_id = resource.test_id and vault.relock(resource.test_id, Purpose.SINK_TEST, sid)
            return replace(resource, configuration=configuration, test_id=test_id)
        case Account(sid=sid):
            token = vault.relock(resource.auth_token, Purpose.AUTH_TOKEN, sid)
            second = resource.secondary_token and vault.relock(resource.secondary_token, Purpose.AUTH_TOKEN, sid)
            return replace(resource, auth_token=token, secondary_token=second)
        case _:
            return resource
