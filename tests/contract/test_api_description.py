"""What the OpenAPI document says of each operation is complete, and is what the code does."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from darkroom.api.errors import STATUS_OF
from darkroom.api.messages import MESSAGES
from darkroom.api.mounts import ROUTERS
from darkroom.api.openapi import declare
from darkroom.api.openapi.document import TEST_HOOK_FIELDS, full_openapi, public_openapi
from darkroom.api.openapi.errors import ERRORS, GatewayError, model_of
from darkroom.api.openapi.headers import IDEMPOTENCY_KEY
from darkroom.kernel.errors import DarkroomError
from tests.support.declared import JSON, names_of, resolved
from tests.support.node import ROOT, run_node_tool
from tests.support.reachable_errors import reachable_codes

METHODS = {"get", "post", "patch", "delete", "put"}
VERBS = set(
    """
    abort add adjust audit cancel clear complete confirm create deactivate delete download erase
    export generate get list open quote rebuild receive recount redrive regenerate register remove
    repeat replay rerun resolve retry rotate run select send share sign stream subscribe test
    unshare update
    """.split()  # noqa: SIM905 (a list of one word a line is longer than the tests)
)
BY_ID = {error.code: error for error in ERRORS}
ROUTES = {
    route.operation_id or "": route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
}


def operations(document: dict[str, Any] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """All operations by ``METHOD path``."""
    for path, methods in (document or full_openapi())["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def by_id(document: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for _, operation in operations(document)}


# Names


def test_operation_ids_are_unique_and_begin_with_a_verb() -> None:
    ids = [operation["operationId"] for _, operation in operations()]

    assert len(ids) == len(set(ids))
    for name in ids:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name), name
        assert re.match(r"[a-z]+", name)[0] in VERBS, name  # type: ignore[index]


def test_every_operation_has_a_summary_a_description_and_one_tag() -> None:
    tags = [tag["name"] for tag in full_openapi()["tags"]]

    for where, operation in operations():
        assert operation["summary"], where
        assert not operation["summary"].endswith("."), where
        assert operation["description"].endswith("."), where
        assert len(operation["tags"]) == 1 and operation["tags"][0] in tags, where


def test_tags_are_described_with_jobs_first_and_admin_last() -> None:
    tags = full_openapi()["tags"]
    used = {tag for _, operation in operations() for tag in operation["tags"]}

    assert (tags[0]["name"], tags[-1]["name"]) == ("Jobs", "Admin")
    assert {tag["name"] for tag in tags} == used
    assert all(tag["description"] for tag in tags)


# Headers


def uses(route: APIRoute, text: str) -> bool:
    return text in inspect.getsource(route.endpoint)


def key_required(route: APIRoute) -> object:
    """The argument ``key_required`` of ``read_command``: True, False, or a condition."""
    tree = ast.parse(inspect.getsource(route.endpoint).lstrip())
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "key_required":
            return node.value.value if isinstance(node.value, ast.Constant) else "a condition"
    return None


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_the_idempotency_key_is_declared_where_it_has_an_effect(name: str) -> None:
    """A stored response is what ``respond_once`` makes; without it, a key is ignored."""
    route, parameters = ROUTES[name], map(resolved, by_id()[name]["parameters"])
    declared = [parameter for parameter in parameters if parameter["name"] == IDEMPOTENCY_KEY]
    need = declared[0]["description"] if declared else ""

    responds = uses(route, "respond_once(") or uses(route, "_respond(")
    assert bool(declared) == responds
    if declared:
        required = key_required(route)
        assert declared[0]["required"] == (required is True)
        assert need.startswith(declare.KEY_OPTIONAL) == (required is False)


@pytest.mark.parametrize(
    "header", ["If-Match", "If-None-Match", "Last-Event-ID", "Stripe-Signature"]
)
def test_a_request_header_is_declared_where_it_is_read(header: str) -> None:
    read = re.compile(f'"{header.lower()}"|{header.lower().replace("-", "_")}:')
    if header == "If-None-Match":
        # What reads it for several routes.
        read = re.compile(r"has_tag\(|catalog_response\(")
    reading = {
        name for name, route in ROUTES.items() if read.search(inspect.getsource(route.endpoint))
    }

    declaring = {
        name
        for name, operation in by_id().items()
        if header in {parameter["name"] for parameter in map(resolved, operation["parameters"])}
    }
    assert declaring == reading != set()


# Errors


def codes_of(operation: dict[str, Any]) -> set[str]:
    codes = {model_of(error.code).__name__: error.code for error in ERRORS}
    return {
        codes[name]
        for status, response in operation["responses"].items()
        if status >= "400"
        for name in names_of(resolved(response)["content"][JSON]["schema"])
        if name != GatewayError.__name__
    }


def error_classes() -> dict[str, type[DarkroomError]]:
    found: dict[str, type[DarkroomError]] = {}
    waiting = [DarkroomError]
    while waiting:
        kind = waiting.pop()
        if any(base in STATUS_OF for base in kind.__mro__):
            found[kind.__name__] = kind
        waiting.extend(kind.__subclasses__())
    return found


# They report the error of each item in its result.
REPORTED_OTHERWISE = {
    "cancelJobs",
    "deleteAssets",
    "downloadJobs",
    "redriveDeadLetters",
    "retryJobs",
    "runJobs",
    "runSweeper",
    "updateJobs",
}
LISTS = {"ITEM_UNREADABLE"}  # A damaged record is left out of a list.
OF_DRAFTS = {"JOB_NOT_DRAFT"}
OF_QUOTES = {"QUOTE_EXPIRED", "QUOTE_MISMATCH"}
OF_FILES = {"ASSET_FAILED", "ASSET_NOT_READY", "NO_TEMPLATES", "REFERENCE_PHOTO_MISSING"}
# What the code names but cannot raise for this operation.
NOT_RAISED = {
    # A damaged subscription counts as none.
    "cancelPlan": LISTS,
    # An erasure that has begun goes on.
    "eraseAccount": {"ALREADY_HAPPENED"},
    "eraseAnAccount": {"ALREADY_HAPPENED"},
    "exportJobs": LISTS,
    "exportUsage": LISTS,
    # Pictures from a prompt have neither files nor templates.
    "generateImages": OF_DRAFTS | OF_QUOTES | OF_FILES,
    "getCredits": LISTS | {"VALIDATION_FAILED"},
    # A damaged account reads as one of which nothing is stored.
    "getMe": LISTS,
    # A message that was sent a moment ago is not sent again.
    "getExport": {"ALREADY_HAPPENED"},
    "getExportOfAccount": {"ALREADY_HAPPENED"},
    "getPricing": {"VALIDATION_FAILED"},
    # A view that was counted before is not counted again.
    "getShare": {"ALREADY_HAPPENED"},
    "listAlbums": LISTS,
    "listAllPurchases": LISTS,
    "listAssets": LISTS,
    "listDeadLetters": LISTS,
    "listEvents": LISTS,
    "listJobs": LISTS,
    "listPurchases": LISTS,
    "listReferencePhotos": LISTS,
    "listGenerations": LISTS,
    "listTransactions": LISTS,
    "listUsage": LISTS,
    # What cannot be counted is left out.
    "recountAccount": LISTS
    | {"ACCOUNT_FROZEN", "ALREADY_HAPPENED", "ARCHIVE_TOO_LARGE", "JOB_NOT_FINAL", "NO_OUTPUTS"},
    # A damaged counter is left out; the others are those of its period.
    "exportMargin": LISTS,
    "exportTemplateAnalytics": LISTS,
    "getFunnel": LISTS,
    "getMargin": LISTS,
    "getTemplateAnalytics": LISTS,
    # An event that is counted already is passed over, as is a damaged one.
    "rebuildProjections": {"ALREADY_HAPPENED", "ITEM_UNREADABLE"},
    "listWebhookEndpoints": LISTS,
    # An event that was stored before is handled once.
    "receiveStripeEvent": {"ACCOUNT_ERASED", "ITEM_UNREADABLE", "VALIDATION_FAILED"},
    # The estimate of its cost reads the files; a job whose plan fails is queued all the same.
    "regenerateJob": OF_DRAFTS | OF_FILES | {"NO_TEMPLATES"},
    # An erasure whose account is forgotten is passed over.
    "repeatErasures": {"ALREADY_HAPPENED"},
    # It takes no quote.
    "rerunJob": OF_QUOTES,
    "retryJob": OF_DRAFTS,
    "updateMe": LISTS,
}
# They list what can be done with a job by trying it: what is refused is left out.
SHOWS_ACTIONS = {"getJob", "updateJob"}
LIST_ACTIONS = "darkroom.usecases.jobs.list_actions:list_actions"
# What is raised where names do not lead: by a payment gateway, or with a code from a table.
RAISED_UNSEEN = {
    "createPurchase": {"PAYMENT_UNAVAILABLE"},
    "createReferencePhoto": {"MULTIPLE_FACES", "NO_FACE"},
    "receiveStripeEvent": {"BAD_SIGNATURE", "PAYMENT_UNAVAILABLE"},
    "resolvePurchase": {"PAYMENT_UNAVAILABLE"},
    "subscribePlan": {"PAYMENT_UNAVAILABLE"},
}
IMPLIED = {"ACCOUNT_ERASED", "BODY_TOO_LARGE", "FORBIDDEN", "UNAUTHORIZED"}


@pytest.mark.parametrize("name", sorted(ROUTES.keys() - REPORTED_OTHERWISE))
def test_an_operation_declares_the_codes_that_its_code_can_raise(name: str) -> None:
    endpoint = ROUTES[name].endpoint
    classes = {name: kind.code for name, kind in error_classes().items()}
    declared = codes_of(by_id()[name])

    reached = reachable_codes(f"{endpoint.__module__}:{endpoint.__name__}", classes)
    if name in SHOWS_ACTIONS:
        reached = reached - (reachable_codes(LIST_ACTIONS, classes) - declared)
    reached = reached - NOT_RAISED.get(name, set()) | RAISED_UNSEEN.get(name, set())

    # Whether a key is required has a test of its own.
    assert reached - declared - {"IDEMPOTENCY_KEY_REQUIRED"} == set()
    general = {error.code for error in ERRORS if error.is_general}
    assert declared - reached - general - IMPLIED == set()


def test_every_code_has_one_status_in_the_document() -> None:
    assert [error.code for error in ERRORS] == list(BY_ID)
    assert set(BY_ID) == set(MESSAGES)


def test_a_kind_of_error_has_the_status_of_its_code() -> None:
    for name, kind in error_classes().items():
        status = next(STATUS_OF[base] for base in kind.__mro__ if base in STATUS_OF)
        assert BY_ID[kind.code].status == status, name


def test_every_code_is_declared_by_an_operation() -> None:
    declared = set().union(*(codes_of(operation) for _, operation in operations()))

    # The routes of the gateway have no other methods; a dead letter has its result in a list.
    assert set(BY_ID) - declared == {"METHOD_NOT_ALLOWED", "NOT_REDRIVABLE"}


# Test hooks


def test_the_public_document_has_no_test_hooks() -> None:
    text = json.dumps(public_openapi())

    assert "runSweeper" not in by_id(public_openapi())
    assert "runSweeper" in by_id(full_openapi())
    for word in (*TEST_HOOK_FIELDS, "SweepRequest", "sweep?"):
        assert word not in text, word


def test_nothing_of_a_declaration_is_left_in_the_document() -> None:
    assert declare.EXTENSION not in json.dumps(full_openapi())


# Linters


@pytest.fixture(scope="module")
def document_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("openapi") / "openapi.json"
    file.write_text(json.dumps(public_openapi()), encoding="utf-8")
    return file


def test_redocly_finds_neither_errors_nor_warnings(document_file: Path) -> None:
    text = run_node_tool(
        "redocly", "lint", document_file, "--config=redocly.yaml", "--format=json", cwd=ROOT
    )
    found = json.loads(text)

    assert found["problems"] == []


def test_spectral_finds_neither_errors_nor_warnings(document_file: Path) -> None:
    run_node_tool(
        "spectral",
        "lint",
        document_file,
        "--ruleset=.spectral.yaml",
        "--fail-severity=hint",
        cwd=ROOT,
    )


def test_the_linters_find_a_planted_fault(document_file: Path, tmp_path: Path) -> None:
    """Both read the file that they are given, with their rules."""
    broken = json.loads(document_file.read_text(encoding="utf-8"))
    del broken["info"]["license"], broken["paths"]["/api/health"]["get"]["tags"]
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(broken), encoding="utf-8")

    with pytest.raises(AssertionError):
        test_redocly_finds_neither_errors_nor_warnings(file)
    with pytest.raises(AssertionError):
        test_spectral_finds_neither_errors_nor_warnings(file)
