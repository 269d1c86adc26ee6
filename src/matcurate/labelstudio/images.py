"""Fetch the images tasks show; the token goes to Label Studio only."""

from __future__ import annotations

import base64
import binascii
from contextlib import closing
from urllib.parse import unquote_to_bytes

import httpx

from matcurate.errors import ConfigError, LabelStudioError, LabelStudioNotFoundError, LabelStudioUnreachableError
from matcurate.labelstudio.connection import TIMEOUT, Connection

MAX_REDIRECTS = 5
MAX_IMAGE_BYTES = 1 << 30


def fetch_image(connection: Connection | None, address: str, *, max_bytes: int = MAX_IMAGE_BYTES) -> bytes:
    """Fetch a task's image: ``/data/…``, a ``data:`` URI, or an http(s) address.

    Only requests to Label Studio's own scheme, host and port carry the token, which is decided again at every
    redirect. Images over ``max_bytes`` are refused while they arrive. Raises ConfigError when Label Studio has the
    image and none is connected, else a LabelStudioError: not found, unreachable, too large, another kind of address,
    refused.
    """
    if address.startswith("data:"):
        return _data_uri(address, max_bytes)
    url = _absolute(connection, address)
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as stranger:
        for _ in range(MAX_REDIRECTS + 1):
            own = connection is not None and _origin(url) == _origin(httpx.URL(connection.url))
            request = httpx.Request("GET", url)
            try:
                response = (connection.files if connection and own else stranger).send(request, stream=True)
                with closing(response):
                    if not response.has_redirect_location:
                        return _body(response, max_bytes)
                url = _absolute(connection, str(url.join(response.headers["location"])))
            except httpx.TransportError as error:
                raise LabelStudioUnreachableError(f"the image's host {url.host} does not answer ({error})") from error
    raise LabelStudioError(f"{_shown(address)} redirects more than {MAX_REDIRECTS} times; correct the task's image")


def _absolute(connection: Connection | None, address: str) -> httpx.URL:
    if connection is None and address.startswith("/"):
        raise ConfigError(f"the image {_shown(address)} is Label Studio's own; run 'curate connect' to fetch it")
    try:
        url = httpx.URL(connection.url + address if connection and address.startswith("/") else address)
    except httpx.InvalidURL as error:
        raise LabelStudioError(
            f"the image address {_shown(address)} is not valid ({error}); correct the task"
        ) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise LabelStudioError(
            f"cannot fetch the image {_shown(address)}: not /data/…, data: or http(s); import it with 'curate push'"
        )
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _body(response: httpx.Response, max_bytes: int) -> bytes:
    url = response.request.url
    if response.status_code == 404 and "/data/local-files" in url.path:
        raise LabelStudioNotFoundError(
            f"Label Studio does not serve {url.params.get('d', url.path)}: add a 'Local files' storage to the project "
            "whose path is a subfolder of LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"
        )
    if response.status_code == 404:
        raise LabelStudioNotFoundError(f"there is no image at {_shown(str(url))}; correct the task or push it again")
    if not response.is_success:
        raise LabelStudioError(
            f"{url.host} answers {response.status_code} to {_shown(url.path)}; check its permissions"
        )
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise LabelStudioError(f"the image at {_shown(str(url))} has more than {max_bytes} bytes; shrink it")
    return bytes(data)


def _data_uri(address: str, max_bytes: int) -> bytes:
    head, _, body = address.partition(",")
    if len(body) > 3 * max_bytes:
        raise LabelStudioError(f"the image in the task's data has more than {max_bytes} bytes; upload it instead")
    try:
        data = base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
    except (binascii.Error, ValueError) as error:
        raise LabelStudioError(f"the image in the task's data is not base64 ({error}); upload it instead") from error
    if len(data) > max_bytes:
        raise LabelStudioError(f"the image in the task's data has more than {max_bytes} bytes; upload it instead")
    return data


def _shown(address: str) -> str:
    """Short form without a query, which may hold a signature."""
    return repr(address.split("?")[0][:120])
