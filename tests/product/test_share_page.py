"""The page of a shared link: plain, safe, in the reader's language, and gone with its link."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from darkroom.jobs.share_store import to_token
from tests.support.builders import JOB_ID, a_recording, a_story, a_user, events_of
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

HOST = {"host": "shared.example", "x-forwarded-proto": "https", "x-forwarded-port": "443"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def a_link(world: World, job_id: str, user: str, **body: int) -> str:
    return world.call("POST", f"/api/jobs/{job_id}/share", body, user=user).body["token"]


def open_page(world: World, path: str, language: str = "en", method: str = "GET") -> Response:
    headers = {**HOST, "accept-language": language}
    return world.call(method, path, user=None, headers=headers)


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def links(self) -> set[str]:
        names = ("src", "href", "poster")
        return {str(a[name]) for _, a in self.tags for name in names if a.get(name)}

    @property
    def meta(self) -> dict[str, str]:
        return {str(a["property"]): str(a["content"]) for a in self.all("meta") if "property" in a}


def test_a_link_opens_a_page_with_a_player_pictures_and_downloads(world: World, user: str) -> None:
    job_id = a_story(world, user)
    token = a_link(world, job_id, user)

    response = open_page(world, f"/s/{token}")
    page = Page(response.body)

    assert response.status == 200 and response.headers["content-type"].startswith("text/html")
    assert len(page.all("video")) == 4 and len(page.all("img")) == 3
    assert len([link for link in page.links if link.endswith("?download=true")]) == 7
    # Relative: the page may be served through a proxy of another name.
    base = f"/s/{token}"
    assert {link.partition("?")[0] for link in page.links} == {f"{base}/{n}" for n in range(1, 8)}
    # Metadata for other sites has the shared address for any requested host.
    public = f"https://console.example{base}"
    assert page.meta["og:url"] == public
    assert page.meta["og:video"].startswith(public) and page.meta["og:image"].startswith(public)
    assert page.meta["og:title"] == "Story" and "og:description" in page.meta
    assert job_id not in response.body and user not in response.body


def test_nothing_on_the_page_can_run_or_come_from_elsewhere(world: World, user: str) -> None:
    token = a_link(world, a_story(world, user), user)

    response = open_page(world, f"/s/{token}")
    page = Page(response.body)

    policy = dict(part.strip().split(" ", 1) for part in
                  response.headers["content-security-policy"].split(";"))  # fmt: skip
    style = re.search(r"<style>(.*)</style>", response.body, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in policy and not page.all("script") and not page.all("link")
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_a_file_of_the_page_is_a_fresh_link_that_its_policy_allows(world: World, user: str) -> None:
    token = a_link(world, a_story(world, user), user)
    policy = open_page(world, f"/s/{token}").headers["content-security-policy"]

    shown = open_page(world, f"/s/{token}/7")
    saved = open_page(world, f"/s/{token}/7?download=true")

    assert (shown.status, saved.status) == (302, 302)
    link = urlsplit(shown.headers["location"])
    assert f"media-src 'self' {link.scheme}://{link.netloc}" in policy
    dispositions = [
        parse_qs(urlsplit(response.headers["location"]).query)["response-content-disposition"][0]
        for response in (shown, saved)
    ]
    assert dispositions[0].startswith("inline") and dispositions[1].startswith("attachment")
    assert unquote(dispositions[1]).endswith("story-film.mp4")


def test_only_opening_the_page_counts_as_a_view(world: World, user: str) -> None:
    job_id = a_story(world, user)
    token = a_link(world, job_id, user)

    open_page(world, f"/s/{token}")
    for number in range(1, 8):
        open_page(world, f"/s/{token}/{number}")
    heads = [
        open_page(world, path, method="HEAD") for path in (f"/s/{token}", f"/api/shares/{token}")
    ]
    world.drain()

    assert [(head.status, head.body) for head in heads] == [(200, "")] * 2
    assert events_of(world, job_id).count("share_viewed") == 1


def test_the_page_is_in_the_readers_language(world: World, user: str) -> None:
    token = a_link(world, a_story(world, user), user)

    english, korean = (open_page(world, f"/s/{token}", language) for language in ("en-US", "ko"))

    assert Page(english.body).all("html") == [{"lang": "en"}]
    assert Page(korean.body).all("html") == [{"lang": "ko"}]
    assert "스토리" in Page(korean.body).text and "Story" in Page(english.body).text
    assert korean.headers["vary"] == "Accept-Language"


def test_all_invalid_links_show_the_same_page(world: World, user: str) -> None:
    job_id = a_story(world, user)
    revoked = a_link(world, job_id, user)
    world.call("DELETE", f"/api/jobs/{job_id}/share", user=user)
    ended = a_link(world, job_id, user, expiresInDays=1)
    world.clock.move(days=1)
    unknown = to_token(JOB_ID, bytes(16))

    responses = [
        open_page(world, f"/s/{token}", "ko")
        for token in (revoked, ended, unknown, "nonsense", "%3Cscript%3E", "a" * 3000)
    ]

    for response in responses:
        assert (response.status, response.body) == (404, responses[0].body)
        assert "더 이상 열 수 없는 링크" in response.body
        assert "default-src 'none'" in response.headers["content-security-policy"]
    for path in (f"/s/{revoked}/1", f"/s/{ended}/1", f"/s/{unknown}/1"):
        assert open_page(world, path).status == 404


@pytest.mark.parametrize("number", ["0", "8", "-1", "x", "99999999999999999999"])
def test_an_unknown_file_is_404(number: str, world: World, user: str) -> None:
    token = a_link(world, a_story(world, user), user)

    assert open_page(world, f"/s/{token}/{number}").status in (400, 404)


def test_file_names_are_escaped_in_the_page(world: World, user: str) -> None:
    name = "<img src=x onerror=alert(1)>&\" '.mp3"
    asset = a_recording(world, user, filename=name)
    body = {"recipe": "captions", "status": "queued", "inputs": {"assetIds": [asset]}}
    made = world.call("POST", "/api/jobs", body, user=user, key="k")
    world.drain()
    token = a_link(world, made.body["jobs"][0]["jobId"], user)

    page = Page(open_page(world, f"/s/{token}").body)

    assert not page.all("img") and "onerror=alert(1)" in page.text
    assert len(page.all("li")) == 1
