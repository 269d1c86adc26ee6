import base64
from collections.abc import Callable

import pytest

from matcurate.errors import LabelStudioError, LabelStudioNotFoundError, LabelStudioUnreachableError
from matcurate.labelstudio import LabelStudioClient
from tests.unit.labelstudio.local_http import Answer, Host

TOKEN = "0123456789" * 4
PIXELS = bytes(range(256))


@pytest.fixture
def client(host: Host) -> LabelStudioClient:
    return LabelStudioClient(host.url, TOKEN)


@pytest.fixture
def stranger(new_host: Callable[[], Host]) -> Host:
    other = new_host()
    other.on("GET", "/x.png", Answer(200, PIXELS))
    return other


def test_own_paths_and_own_addresses_carry_the_token(client: LabelStudioClient, host: Host) -> None:
    host.on("GET", "/data/upload/1/x.png", Answer(200, PIXELS))
    assert client.fetch_image("/data/upload/1/x.png") == PIXELS
    assert client.fetch_image(host.url + "/data/upload/1/x.png") == PIXELS
    assert [seen.authorization for seen in host.seen] == [f"Token {TOKEN}"] * 2


def test_other_hosts_never_see_the_token(client: LabelStudioClient, host: Host, stranger: Host) -> None:
    assert client.fetch_image(stranger.url + "/x.png") == PIXELS
    assert [seen.authorization for seen in stranger.seen] == [None]
    assert host.seen == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_leaves_the_token_behind(
    client: LabelStudioClient, host: Host, stranger: Host, status: int
) -> None:
    host.on("GET", "/data/x.png", Answer(status, headers={"location": stranger.url + "/x.png"}))
    assert client.fetch_image("/data/x.png") == PIXELS
    assert host.seen[0].authorization == f"Token {TOKEN}"
    assert [seen.authorization for seen in stranger.seen] == [None]
    assert not any(TOKEN in value for value in stranger.seen[0].headers.values())


def test_a_redirect_within_label_studio_keeps_it(client: LabelStudioClient, host: Host) -> None:
    host.on("GET", "/data/x.png", Answer(302, headers={"location": "y.png"}))
    host.on("GET", "/data/y.png", Answer(200, PIXELS))
    assert client.fetch_image("/data/x.png") == PIXELS
    assert host.seen[1].authorization == f"Token {TOKEN}"


def test_another_port_or_a_lookalike_is_another_host(client: LabelStudioClient, host: Host, stranger: Host) -> None:
    port = stranger.url.rsplit(":", 1)[1]
    own = host.url.removeprefix("http://")
    # user info that looks like our host
    assert client.fetch_image(f"http://{own.replace(':', '%3A')}@127.0.0.1:{port}/x.png") == PIXELS
    assert TOKEN not in (stranger.seen[0].authorization or "")


def test_data_uris(client: LabelStudioClient, host: Host) -> None:
    assert client.fetch_image("data:image/png;base64," + base64.b64encode(PIXELS).decode()) == PIXELS
    assert client.fetch_image("data:image/svg+xml,%3Csvg%2F%3E") == b"<svg/>"
    assert host.seen == []


def test_too_large_images_are_refused(client: LabelStudioClient, host: Host) -> None:
    host.on("GET", "/data/x.png", Answer(200, PIXELS))
    assert client.fetch_image("/data/x.png", max_bytes=256) == PIXELS
    with pytest.raises(LabelStudioError, match="more than 255 bytes"):
        client.fetch_image("/data/x.png", max_bytes=255)
    inline = "data:image/png;base64," + base64.b64encode(PIXELS).decode()
    for limit in (255, 10):
        with pytest.raises(LabelStudioError, match=f"more than {limit} bytes"):
            client.fetch_image(inline, max_bytes=limit)


def test_local_files_without_a_storage_name_the_remedy(client: LabelStudioClient) -> None:
    with pytest.raises(LabelStudioNotFoundError, match=r"does not serve ds1/x.png: add a 'Local files' storage"):
        client.fetch_image("/data/local-files/?d=ds1/x.png")


def test_refusals(client: LabelStudioClient, host: Host) -> None:
    with pytest.raises(LabelStudioNotFoundError, match=r"no image at .*/data/gone.png'"):
        client.fetch_image("/data/gone.png?signature=secret")
    host.on("GET", "/data/x.png", Answer(500, b""))
    with pytest.raises(LabelStudioError, match="answers 500"):
        client.fetch_image("/data/x.png")
    host.on("GET", "/data/loop.png", Answer(302, headers={"location": "/data/loop.png"}))
    with pytest.raises(LabelStudioError, match="redirects more than 5 times"):
        client.fetch_image("/data/loop.png")
    host.on("GET", "/data/away.png", Answer(302, headers={"location": "file:///etc/passwd"}))
    with pytest.raises(LabelStudioError, match="cannot fetch"):
        client.fetch_image("/data/away.png")


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "s3://bucket/x.png", "x.png", "http://x:port/", "data:image/png;base64,%%"]
)
def test_addresses_we_do_not_fetch(client: LabelStudioClient, host: Host, address: str) -> None:
    with pytest.raises(LabelStudioError, match=r"cannot fetch|not valid|not base64"):
        client.fetch_image(address)
    assert host.seen == []


def test_hosts_that_break_off_or_do_not_answer(client: LabelStudioClient, host: Host, stranger: Host) -> None:
    host.on("GET", "/data/x.png", Answer(200, PIXELS, drop_after=9))
    with pytest.raises(LabelStudioUnreachableError):
        client.fetch_image("/data/x.png")
    stranger.on("GET", "/y.png", Answer(200, PIXELS, drop_after=9))
    with pytest.raises(LabelStudioUnreachableError, match=r"host 127\.0\.0\.1 does not answer"):
        client.fetch_image(stranger.url + "/y.png")
