"""Runs the sweeper on the minute schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.payments.messages import mismatch_facts
from darkroom.payments.store import Purchase
from darkroom.usecases.albums.delete_album import sweep_albums
from darkroom.usecases.credits.expire_grants import sweep_grants
from darkroom.usecases.purchases.receive_payment_event import sweep_payment_events
from darkroom.usecases.sweeps.sweep_deliveries import sweep_deliveries
from darkroom.usecases.sweeps.sweep_due import sweep_jobs
from darkroom.usecases.sweeps.sweep_events import sweep_events
from darkroom.usecases.sweeps.sweep_purchases import sweep_purchases
from darkroom.usecases.sweeps.sweep_subscriptions import sweep_subscriptions
from darkroom.usecases.sweeps.sweep_uploads import sweep_uploads
from darkroom.workers.edge import logger, metrics


def sweep_everything(app: App) -> Counter[str]:
    """Handle due items, jobs first; returns the number of items by outcome.

    A sweep that fails as a whole is reported, and the others still run.
    """
    done: Counter[str] = Counter()
    sweeps: dict[str, Callable[..., Counter[str]]] = {
        "": sweep_jobs,
        "upload_": sweep_uploads,
        "album_": sweep_albums,
        "grant_": sweep_grants,
        "payment_": partial(sweep_payment_events, on_misplaced=_report_mismatch),
        "purchase_": partial(sweep_purchases, on_misplaced=_report_mismatch),
        "subscription_": sweep_subscriptions,
        "event_": sweep_events,
        "delivery_": sweep_deliveries,
    }
    for prefix, sweep in sweeps.items():
        try:
            done.update({f"{prefix}{name}": n for name, n in sweep(app, _report).items()})
        except Exception as error:  # noqa: BLE001 - one sweep must not stop the others
            _report(f"{prefix}sweep", error)
            done[f"{prefix}error"] += 1
    return done


def handle_schedule(app: App) -> dict[str, Any]:
    done = sweep_everything(app)
    logger.info("sweep", done=dict(done))
    errors = sum(count for name, count in done.items() if name.endswith("error"))
    metrics.add_metric(name="SweepErrors", unit=MetricUnit.Count, value=errors)
    misplaced = done["payment_misplaced"] + done["purchase_misplaced"]
    metrics.add_metric(name="PaymentMismatches", unit=MetricUnit.Count, value=misplaced)
    return dict(done)


def _report_mismatch(purchase: Purchase) -> None:
    logger.error("payment_mismatch", **mismatch_facts(purchase))


def _report(item: str, error: Exception) -> None:
    logger.error("sweep_item_failed", item=item, exc_info=error)
