"""Handles archive messages: writes the zips of jobs, and those of whole accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases.accounts.erasure.export_account import export_account
from darkroom.usecases.archives.archive_job import FAILED, archive_job
from darkroom.workers.edge import logger, read_message


def handle_archive_message(app: App, record: Mapping[str, Any]) -> str:
    """Make the archive that the message names; returns the outcome.

    Raises:
        InvalidInput: the message is not one of ours, and goes to the dead-letter queue.
    """
    message = read_message(record)
    if "exportOf" in message:
        account_id, export_id = export_of(message)
        logger.append_keys(account_id=account_id)
        return export_account(app, account_id=account_id, export_id=export_id)
    job_id = job_of_archive(message)
    logger.append_keys(job_id=job_id)
    outcome = archive_job(app, job_id=job_id)
    if outcome == FAILED:
        logger.error("archive_lacks_a_file")
    return outcome


def export_of(message: Mapping[str, Any]) -> tuple[str, str]:
    """The account whose export a message requests, and the id of the export.

    Raises:
        InvalidInput: the message requests none.
    """
    account_id, export_id = message.get("exportOf"), message.get("exportId")
    if not (isinstance(account_id, str) and isinstance(export_id, str)):
        raise InvalidInput("the message names no export")
    return account_id, export_id


def job_of_archive(message: Mapping[str, Any]) -> str:
    """The job whose archive a message requests.

    Raises:
        InvalidInput: the message requests none.
    """
    job_id = message.get("archiveOf")
    if not isinstance(job_id, str):
        raise InvalidInput("the message names no archive")
    return job_id
