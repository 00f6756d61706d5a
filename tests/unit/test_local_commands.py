"""Every command of the local cloud reports a mistake with a sentence and an exit code."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clients import upload_files
from local import __main__ as commands
from local.settings import ROOT

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command where no local cloud runs; returns its exit code and what it says."""

    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["local", *words, "--state", str(tmp_path / "none")])
        try:
            code = commands.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        printed = capsys.readouterr()
        return code, printed.err + printed.out

    return command


@pytest.mark.parametrize(
    "words",
    [("token", "--user", "alice"), ("logs",), ("audit",), ("audit", "--account", "unknown")],
    ids=" ".join,
)
def test_without_a_running_cloud_every_command_says_how_to_start_one(
    run: Run, words: tuple[str, ...]
) -> None:
    assert run(*words) == (1, "The local cloud is not running: `make up` starts it.\n")


def test_stopping_a_stopped_cloud_is_no_error(run: Run) -> None:
    assert run("down") == (0, "Nothing was running.\n")


def test_a_token_is_of_a_named_user(run: Run) -> None:
    code, said = run("token", "--user", "")

    assert code == 2
    assert "make token USER=alice" in said


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_refused(run: Run, port: str) -> None:
    code, said = run("up", f"--port={port}")

    assert code == 2
    assert "invalid port value" in said


def test_a_port_in_use_is_refused_with_a_way_out(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, said = run("up", f"--port={port}")

    assert code == 1
    assert f"Port {port} is in use" in said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--params", "PaymentGatway=stripe"), "PaymentGatway is no parameter"),
        (("--env-file", "/no/such/file"), "There is no file /no/such/file"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_starts(
    run: Run, words: tuple[str, ...], named: str
) -> None:
    code, said = run("up", *words)

    assert code == 1
    assert named in said


def test_files_are_not_sent_without_a_running_cloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.touch()

    code = upload_files.main([str(photo), "--name", "no-such-cloud"])

    assert code == 1
    assert capsys.readouterr().err == "The local cloud is not running: `make up` starts it.\n"


@pytest.mark.parametrize(
    ("given", "user"),
    [(["USER=bob"], "bob"), ([], "")],
    ids=["named", "login name only"],
)
def test_make_takes_a_user_only_from_its_own_arguments(given: list[str], user: str) -> None:
    """The login name, which most shells keep in USER, is not an argument of make."""
    shown = subprocess.run(
        ["make", "--dry-run", "token", *given],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "USER": "root"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert re.search(r'--user "(.*?)"', shown)[1] == user  # type: ignore[index]
