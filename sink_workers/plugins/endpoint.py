"""The start of a URL that a subscriber gives instead of a service's own address."""

from sink_workers.plugins.hosts import check_authority, url_of


def checked_endpoint(endpoint: str | None, *, credentials: str) -> str | None:
    """``endpoint``, if there is one and it can be used as it is spelled.

    Args:
        endpoint: As it was given.
        credentials: The key of the configuration that says what a user in the URL could say.

    Raises:
        ValueError: it cannot; with a sentence for the subscriber.
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
        raise ValueError(f"it must have no user, query or fragment: {credentials} says whose events these are")
    check_authority(url)
    return endpoint
