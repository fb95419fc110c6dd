"""How long the delivery log waits for more to share a transaction."""

from control_api.delivery_log.projector import patience_s


def test_a_single_event_is_in_the_log_at_once_and_many_share_a_transaction() -> None:
    assert patience_s(0) == patience_s(1) <= 0.05
    assert patience_s(1_000) >= 0.5
