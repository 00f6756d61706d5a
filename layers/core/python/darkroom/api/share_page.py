"""The page behind a shared link: the outputs of a job, for every visitor with the link.

Plain HTML without scripts and without content from other sites: the links of pictures and films
lead to this API, which redirects to storage. The style is one constant, so that the
Content-Security-Policy can name it by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import urlsplit

from darkroom.api.share_page_style import STYLE
from darkroom.views.shares import SharedFile

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "shared": "Shared with you",
        "film": "Film",
        "clip": "Clip",
        "image": "Picture",
        "audio": "Audio",
        "clips": "Clips",
        "images": "Pictures",
        "files": "Files",
        "download": "Download",
        "about": "Made with AI from material that the person who shared it provided.",
        "gone": "This link no longer works",
        "gone_why": "It may have expired, or the person who shared it may have revoked it. "
        "Please ask them for a new link.",
    },
    "ko": {
        "shared": "공유된 작품",
        "film": "필름",
        "clip": "클립",
        "image": "사진",
        "audio": "소리",
        "clips": "클립",
        "images": "사진",
        "files": "파일",
        "download": "내려받기",
        "about": "공유한 분이 올린 자료로 AI가 만들었습니다.",
        "gone": "더 이상 열 수 없는 링크입니다",
        "gone_why": "기간이 끝났거나 공유한 분이 링크를 해제했습니다. 새 링크를 요청해 주세요.",
    },
}
_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SharePage:
    """What the page shows. ``address`` is the public URL of the page, absolute and without a slash
    at its end, for the tags that other sites read. Links in the page are relative to the host that
    serves it, which may be a proxy with another name."""

    address: str
    title: str
    made_at: datetime
    language: str
    files: Sequence[SharedFile]

    def word(self, name: str) -> str:
        return _WORDS[self.language][name]

    def link(self, file: SharedFile) -> str:
        return f"{urlsplit(self.address).path}/{file.number}"

    def public_link(self, file: SharedFile) -> str:
        return f"{self.address}/{file.number}"

    def name(self, file: SharedFile) -> str:
        """``Clip 2``; for a document, its file name."""
        kind = file.kind if file.type != "film" else "film"
        if kind == "file":
            return file.file_name
        kind = "clip" if kind == "video" else kind
        return f"{self.word(kind)} {file.place}" if file.place else self.word(kind)


def policy(storage_origin: str) -> str:
    """The Content-Security-Policy: files of this API, which redirects to storage, and our style."""
    own = f"'self' {storage_origin}"
    return (
        f"default-src 'none'; img-src {own}; media-src {own}; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def render(page: SharePage) -> str:
    hero = next((file for file in page.files if file.type == "film"), None)
    hero = hero or next((file for file in page.files if file.kind in ("video", "image")), None)
    rest = [file for file in page.files if file is not hero]
    clips = [_video(page, file) for file in rest if file.kind == "video"]
    pictures = [_picture(page, file) for file in rest if file.kind == "image"]
    documents = [_document(page, file) for file in rest if file.kind in ("audio", "file")]
    body = (
        f'<main><section class="{"hero" if hero else "plain"}">{_hero(page, hero)}'
        f'<div class="intro"><p class="eyebrow">{page.word("shared")}</p>'
        f"<h1>{escape(page.title)}</h1>{_facts(page, hero)}"
        f'<p class="about">{page.word("about")}</p></div></section>'
        f"{_section(page.word('clips'), 'grid', clips)}"
        f"{_section(page.word('images'), 'grid', pictures)}"
        f"{_section(page.word('files'), 'list', documents)}</main>"
    )
    return _document_of(page.language, page.title, body, _meta(page, hero))


def render_missing(language: str) -> str:
    words = _WORDS[language]
    body = (
        f'<main class="gone"><div><div class="frame" aria-hidden="true"></div>'
        f"<h1>{words['gone']}</h1><p>{words['gone_why']}</p></div></main>"
    )
    return _document_of(language, words["gone"], body, "")


def _document_of(language: str, title: str, body: str, meta: str) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title>{meta}<style>{STYLE}</style></head>"
        f"<body>{body}</body></html>"
    )


def _meta(page: SharePage, hero: SharedFile | None) -> str:
    """The tags from which messengers and social networks make a preview: https://ogp.me."""
    is_film = hero is not None and hero.kind == "video"
    facts: list[tuple[str, object]] = [
        ("og:title", page.title),
        ("og:description", page.word("shared")),
        ("og:type", "video.other" if is_film else "website"),
        ("og:url", page.address),
        ("og:locale", "ko_KR" if page.language == "ko" else "en_US"),
    ]
    poster = hero if hero is not None and hero.kind == "image" else _poster(page, hero)
    if poster is not None:
        facts += [("og:image", page.public_link(poster)), *_size("og:image", poster)]
    if hero is not None and is_film:
        facts += [("og:video", page.public_link(hero)), ("og:video:type", hero.mime_type)]
        facts += _size("og:video", hero)
    tags = "".join(f'<meta property="{n}" content="{escape(str(v))}">' for n, v in facts)
    card = "summary_large_image" if poster is not None else "summary"
    return f'{tags}<meta name="twitter:card" content="{card}">'


def _size(name: str, file: SharedFile) -> list[tuple[str, object]]:
    if file.width is None or file.height is None:
        return []
    return [(f"{name}:width", file.width), (f"{name}:height", file.height)]


def _hero(page: SharePage, file: SharedFile | None) -> str:
    if file is None:
        return ""
    is_video = file.kind == "video"
    shown = _player(page, file, preload="metadata") if is_video else _image(page, file)
    return f'<div class="stage">{shown}</div>'


def _facts(page: SharePage, hero: SharedFile | None) -> str:
    """The date, the length of the main file, and a button to download it."""
    made = f"{page.made_at:%-d %B %Y}"
    if page.language == "ko":
        made = f"{page.made_at.year}년 {page.made_at.month}월 {page.made_at.day}일"
    parts = [made]
    if hero is not None and hero.duration_ms:
        seconds = round(hero.duration_ms / 1000)
        parts.append(f"{seconds // 60}:{seconds % 60:02}")
    button = ""
    if hero is not None:
        label = f"{page.word('download')} · {_megabytes(hero.size_bytes)}"
        button = f'<a class="button" href="{_save(page, hero)}">{label}</a>'
    return f'<p class="facts">{" · ".join(parts)}</p>{button}'


def _video(page: SharePage, file: SharedFile) -> str:
    player = _player(page, file, preload="none" if _poster(page, file) else "metadata")
    return f"<figure>{player}{_caption(page, file)}</figure>"


def _picture(page: SharePage, file: SharedFile) -> str:
    return f"<figure>{_image(page, file)}{_caption(page, file)}</figure>"


def _document(page: SharePage, file: SharedFile) -> str:
    name = page.name(file)
    sound = f'<audio controls preload="none" src="{page.link(file)}"></audio>'
    return (
        f'<li><span class="kind">{escape(_ending(file))}</span>'
        f'<span class="name">{escape(name)}</span>{sound if file.kind == "audio" else ""}'
        f'<span class="size">{_megabytes(file.size_bytes)}</span>'
        f'<a href="{_save(page, file)}" aria-label="{page.word("download")}: {escape(name)}">'
        f"{page.word('download')}</a></li>"
    )


def _player(page: SharePage, file: SharedFile, *, preload: str) -> str:
    poster = _poster(page, file)
    shown = f' poster="{page.link(poster)}"' if poster is not None else ""
    return (
        f'<video controls playsinline preload="{preload}" src="{page.link(file)}"{shown}'
        f'{_dimensions(file)} aria-label="{escape(page.name(file))}"></video>'
    )


def _image(page: SharePage, file: SharedFile) -> str:
    alternative = escape(page.name(file))
    return f'<img src="{page.link(file)}" alt="{alternative}" loading="lazy"{_dimensions(file)}>'


def _caption(page: SharePage, file: SharedFile) -> str:
    name = escape(page.name(file))
    return (
        f'<figcaption><span>{name}</span><a href="{_save(page, file)}" '
        f'aria-label="{page.word("download")}: {name}">{page.word("download")}</a></figcaption>'
    )


def _poster(page: SharePage, file: SharedFile | None) -> SharedFile | None:
    """The picture that a clip was made from; for a film, the first picture."""
    pictures = [each for each in page.files if each.kind == "image"]
    if file is None or file.kind != "video":
        return None
    same = (each for each in pictures if file.place and each.place == file.place)
    return next(same, None) or next(iter(pictures), None)


def _dimensions(file: SharedFile) -> str:
    if file.width is None or file.height is None:
        return ""
    return f' width="{file.width}" height="{file.height}"'


def _section(title: str, shape: str, entries: Iterable[str]) -> str:
    content = "".join(entries)
    if not content:
        return ""
    tag = "ul" if shape == "list" else "div"
    return f'<section><h2>{title}</h2><{tag} class="{shape}">{content}</{tag}></section>'


def _save(page: SharePage, file: SharedFile) -> str:
    return f"{page.link(file)}?download=true"


def _ending(file: SharedFile) -> str:
    return file.file_name.rpartition(".")[2].upper()


def _megabytes(size_bytes: int) -> str:
    if size_bytes < _MEGABYTE:
        return f"{max(1, round(size_bytes / 1000))} KB"
    return f"{size_bytes / _MEGABYTE:.1f} MB"
