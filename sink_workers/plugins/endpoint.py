"""Checks the base URL that a subscriber gives instead of a service's own address."""

from sink_workers.plugins.hosts import check_authority, url_of


def checked_endpoint(endpoint: str | None, *, credentials: str) -> str | None:
    """Return ``endpoint`` unchanged if it is None or a usable URL.

    Args:
        endpoint: As the subscriber gave it.
        credentials: The configuration key that holds what might be put into the URL as user and password.

    Raises:
        ValueError: it is not usable; with a sentence for the subscriber.
    """
    if endpoint is None:
        return None
    try:
        url = url_of(endpoint)
    except ValueError:
        raise ValueError("it is not a URL") from None
    if url.scheme not in {"http", "https"} or not url.raw_host or url.port is None or not endpoint.isascii():
        raise ValueError("it must be an http or https URL with a host")
    if not endpoint.isprintable() or " " in endpoint:
        raise ValueError("it must be percent-encoded ASCII without spaces")
    if url.raw_user is not None or url.raw_password is not None or "?" in endpoint or "#" in endpoint:
        raise ValueError(f"it must have no user, query or fragment: {credentials} identifies whose events these are")
    check_authority(url)
    return endpoint
