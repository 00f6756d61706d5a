"""The client's examples and the pages of docs/frontend.md, against the local cloud."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local.run_demo import PHOTO
from local.settings import ROOT
from local.stack import LocalStack
from tests.support.node import CLIENT, run_node_tool

SOUND = ROOT / "tests" / "files" / "silent.m4a"
GUIDE = ROOT / "docs" / "examples" / "frontend"
LIMIT_SECONDS = 240

Run = Callable[..., str]


def bundle(sources: list[Path], folder: Path) -> None:
    """Make plain scripts of TypeScript files, with the client's source behind its name."""
    options = ["--bundle", "--platform=node", "--format=esm", "--log-level=warning"]
    alias = f"--alias:@darkroom/client={CLIENT / 'src' / 'index.ts'}"
    run_node_tool(
        "esbuild", *sources, *options, alias, f"--outdir={folder}", "--out-extension:.js=.mjs"
    )


@pytest.fixture(scope="module")
def run(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run an example as a user; returns what it printed."""
    folder = tmp_path_factory.mktemp("examples")
    bundle(sorted((CLIENT / "examples").glob("*.ts")), folder)

    def call(name: str, *arguments: object, user: str, role: str | None = None) -> str:
        token = stack.token(f"client-{user}", role=role)
        done = subprocess.run(
            ["node", str(folder / f"{name}.mjs"), *map(str, arguments)],
            env={**os.environ, "DARKROOM_URL": stack.api_url, "DARKROOM_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_a_job_is_followed_to_its_files_and_listed(run: Run) -> None:
    followed = run("watch", PHOTO, user="alice")
    listed = run("csv", user="alice")

    assert "(polling)" in followed
    assert "succeeded 100 %" in followed
    assert "clip_1: http" in followed
    assert listed.count("\tquick\tsucceeded\t") == 1
    assert "These are all." in listed


def test_a_request_whose_response_is_lost_is_repeated_after_a_reload_once(run: Run) -> None:
    printed = run("reload", PHOTO, user="bob")

    assert printed == "Sent again: 202, replayed: true.\nThere is 1 job.\n"


def test_only_operators_adjust_credits(run: Run, stack: LocalStack) -> None:
    account = stack.account_id("client-bob")

    refused = run("adjust", account, 5, "a gift", user="bob")
    done = run("adjust", account, 5, "a gift", user="operator", role="admin")

    assert refused == "This is for operators.\n"
    before, after = map(int, done.split(" → "))
    assert after == before + 5


@pytest.mark.slow
def test_a_price_is_shown_and_confirmed(run: Run) -> None:
    assert run("confirm", PHOTO, user="carol").splitlines()[0] == "It costs 2, you have 5."


@pytest.mark.slow
def test_missing_credits_are_named_and_bought(run: Run) -> None:
    printed = run("credits", PHOTO, user="dave").splitlines()

    assert printed[0] == "This costs 5, you have 0; 5 are missing."
    assert printed[1].startswith("Bought ")
    assert int(printed[2].removeprefix("The balance is ").removesuffix(".")) > 0


@pytest.mark.slow
def test_one_clip_is_made_again(run: Run) -> None:
    assert run("regenerate", PHOTO, user="erin") == "succeeded: kf_2, clip_2, film; 1 used.\n"


@pytest.mark.slow
def test_files_are_sent_from_the_disk_also_in_parts(run: Run, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(120_000_000)

    printed = run("upload", PHOTO, large, user="frank").splitlines()

    states = {line.split(":")[0]: line.split(": ")[1].split()[0] for line in printed}
    assert states == {"portrait.jpg": "uploaded", "large.wav": "failed"}
    assert any(line.startswith("large.wav: checking 100 %") for line in printed)


@pytest.mark.slow
def test_recordings_get_captions_in_bulk(run: Run) -> None:
    assert ": succeeded" in run("captions", SOUND, user="grace")


@pytest.mark.slow
def test_a_result_is_shared_and_withdrawn(run: Run) -> None:
    printed = run("share", PHOTO, user="heidi")

    assert "/s/" in printed.splitlines()[0]
    assert printed.endswith("The link does not work any more.\n")


def test_every_example_is_run_here() -> None:
    names = {path.stem for path in (CLIENT / "examples").glob("*.ts")} - {"connect"}
    text = Path(__file__).read_text(encoding="utf-8")

    assert [name for name in sorted(names) if f'run("{name}"' not in text] == []
    assert len(names) == 10


@pytest.mark.slow
def test_the_guide_s_page_makes_a_story_in_a_browser(stack: LocalStack) -> None:
    """As a reader of docs/frontend.md sees it, from another origin than the API."""
    done = subprocess.run(
        ["node", str(GUIDE / "try.mjs"), json.dumps(stack.for_a_frontend), str(PHOTO)],
        cwd=GUIDE,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["films"] == 2
    assert "/s/" in seen["link"]
    assert seen["streams"] >= 1
    assert seen["complaints"] == []
