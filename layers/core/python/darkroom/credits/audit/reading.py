"""Raw items → facts. Shares nothing with the product's readers but the names of attributes.

Each function returns the facts (None when the item is of no use) and what could not be read.
"""

from __future__ import annotations

from typing import Any

from darkroom.credits.audit.facts import (
    EntryFacts,
    GrantFacts,
    JobFacts,
    MergeFacts,
    PartFacts,
    PurchaseFacts,
    ReceiptFacts,
    WalletFacts,
)
from darkroom.credits.audit.fields import Fields, RawItem, is_whole, read_moment

ENTRY_TYPES = frozenset(
    {"PURCHASE", "BONUS", "DEDUCT", "REFUND", "SETTLE", "EXPIRE", "REVERSAL", "ADJUST"}
)

JOB_STATUSES = frozenset(
    {"draft", "queued", "running", "canceling", "succeeded", "partial", "failed", "canceled"}
)
TASK_STATUSES = frozenset(
    {"blocked", "ready", "running", "waiting", "succeeded", "failed", "skipped", "canceled"}
)
PURCHASE_STATUSES = frozenset(
    {"pending", "settled", "failed", "mismatched", "refunding", "refunded"}
)


def read_wallet(raw: RawItem) -> tuple[WalletFacts, list[str]]:
    fields = Fields(raw)
    wallet = WalletFacts(
        balance=fields.whole("balance"),
        held=fields.whole("held"),
        debt=fields.whole("debt", missing=0),
        version=fields.whole("version"),
        grants=_grants(fields, "grants"),
        next_expiry_at=fields.whole("nextExpiryAt") if fields.has("nextExpiryAt") else None,
        due_shard=fields.text("dueShard", optional=True),
    )
    return wallet, fields.problems


def read_entry(raw: RawItem) -> tuple[EntryFacts | None, list[str]]:
    """None when one of the values that the laws are about cannot be read."""
    fields = Fields(raw)
    kind = _one_of(fields, "type", ENTRY_TYPES)
    values: dict[str, Any] = {
        "account_id": fields.text("accountId"),
        "cause": fields.text("cause"),
        "type": kind,
        "amount": fields.whole("amount"),
        "held_change": fields.whole("heldChange"),
        "balance_after": fields.whole("balanceAfter"),
        "held_after": fields.whole("heldAfter"),
        "debt_change": fields.whole("debtChange", missing=0),
        "debt_after": fields.whole("debtAfter", missing=0),
        "version": fields.whole("version"),
        "reference_id": fields.text("referenceId"),
        "moves": _counts(fields, "moves"),
        "merges": _merges(fields),
    }
    is_unknown = None in values.values() or bool(fields.problems)
    other: dict[str, Any] = {
        "reference_type": fields.text("referenceType"),
        "created_at": fields.moment("createdAt"),
        "expires_at": fields.moment("expiresAt", optional=True),
        "schema": fields.whole("sv", missing=1) or 1,
    }
    return None if is_unknown else EntryFacts(**values, **other), fields.problems


def read_purchase(raw: RawItem) -> tuple[PurchaseFacts | None, list[str]]:
    fields = Fields(raw)
    purchase_id, status = fields.text("purchaseId"), _one_of(fields, "status", PURCHASE_STATUSES)
    credits = fields.whole("credits")
    reversals = _counts(fields, "reversals")
    if purchase_id is None or status is None or credits is None:
        return None, fields.problems
    facts = PurchaseFacts(
        purchase_id=purchase_id,
        status=status,
        credits=credits,
        gateway=fields.text("gateway"),
        pack=fields.text("pack", optional=True),
        payment_id=fields.text("paymentId", optional=True),
        is_decided=fields.has("decisions"),
        reversals=reversals,
    )
    return facts, fields.problems


def read_job(raw: RawItem) -> tuple[JobFacts | None, list[str]]:
    """The job's own item; its outputs are read one by one."""
    fields = Fields(raw)
    job_id, account_id = fields.text("pk"), fields.text("accountId")
    status = _one_of(fields, "status", JOB_STATUSES)
    if job_id is None or account_id is None or status is None:
        return None, fields.problems
    before = len(fields.problems)
    receipt = _receipt(fields)
    facts = JobFacts(
        job_id=job_id,
        account_id=account_id,
        status=status,
        recipe=fields.text("recipe"),
        is_queued=fields.has("queuedAt"),
        is_deleted=fields.has("deletedAt"),
        is_child=fields.has("parentJobId"),
        price=_price(fields),
        hold=_grants(fields, "hold"),
        receipt=receipt,
        is_receipt_read=len(fields.problems) == before,
        costs=_counts(fields, "costs") if fields.has("costs") else None,
    )
    return facts, fields.problems


def keys_of_task(raw: RawItem) -> tuple[list[str] | None, list[str]]:
    """The keys of a task's outputs; None when they cannot be read."""
    fields = Fields(raw)
    outputs = fields.json("outputs")
    _one_of(fields, "status", TASK_STATUSES)
    if fields.problems:
        return None, fields.problems
    keys = [_key_of(output) for output in outputs] if isinstance(outputs, list) else []
    if None in keys or (outputs is not None and not isinstance(outputs, list)):
        return None, ["outputs are not outputs"]
    return [key for key in keys if key is not None], []


def keys_of_inherited(raw: RawItem) -> tuple[list[str] | None, list[str]]:
    """An inherited item holds one output, or a list of them."""
    fields = Fields(raw)
    stored = fields.json("output")
    keys = [_key_of(output) for output in (stored if isinstance(stored, list) else [stored])]
    if fields.problems or None in keys:
        return None, fields.problems or ["output is not an output"]
    return [key for key in keys if key is not None], []


def _one_of(fields: Fields, name: str, known: frozenset[str]) -> str | None:
    value = fields.text(name)
    if value is not None and value not in known:
        fields.wrong(f"{name} is not known")
        return None
    return value


def _key_of(output: Any) -> str | None:
    key = output.get("key") if isinstance(output, dict) else None
    return key if isinstance(key, str) else None


def _counts(fields: Fields, name: str) -> dict[str, int] | None:
    """JSON: name → whole number. An absent attribute is an empty one."""
    before = len(fields.problems)
    value = fields.json(name)
    if value is None:
        return {} if len(fields.problems) == before else None
    if isinstance(value, dict) and all(is_whole(count) for count in value.values()):
        return value
    fields.wrong(f"{name} is not a map of whole numbers")
    return None


def _merges(fields: Fields) -> tuple[MergeFacts, ...] | None:
    before = len(fields.problems)
    value = fields.json("merges")
    if value is None:
        return () if len(fields.problems) == before else None
    merges = []
    for item in value if isinstance(value, list) else [None]:
        merge = _merge(item)
        if merge is None:
            fields.wrong("merges are not merges")
            return None
        merges.append(merge)
    return tuple(merges)


def _merge(item: Any) -> MergeFacts | None:
    if not isinstance(item, list) or len(item) != 3:
        return None
    from_id, into_id, credits = item
    if not (isinstance(from_id, str) and isinstance(into_id, str) and is_whole(credits)):
        return None
    return MergeFacts(from_id=from_id, into_id=into_id, credits=credits)


def _grants(fields: Fields, name: str) -> tuple[GrantFacts, ...] | None:
    before = len(fields.problems)
    value = fields.json(name)
    if value is None:
        return () if len(fields.problems) == before else None
    grants = [_grant(item) for item in value] if isinstance(value, list) else [None]
    if None in grants:
        fields.wrong(f"{name} are not grants")
        return None
    return tuple(grant for grant in grants if grant is not None)


def _grant(item: Any) -> GrantFacts | None:
    if not isinstance(item, dict):
        return None
    created_at, merged = read_moment(item.get("c")), item.get("m", {})
    expires_at = read_moment(item["e"]) if "e" in item else None
    is_right = (
        isinstance(item.get("i"), str)
        and isinstance(item.get("s"), str)
        and is_whole(item.get("r"))
        and is_whole(item.get("p"))
        and isinstance(merged, dict)
        and all(is_whole(credits) for credits in merged.values())
        and ("e" not in item or expires_at is not None)
    )
    if not is_right or created_at is None:
        return None
    return GrantFacts(
        grant_id=item["i"],
        source=item["s"],
        remaining=item["r"],
        priority=item["p"],
        created_at=created_at,
        expires_at=expires_at,
        merged=merged,
    )


def _price(fields: Fields) -> tuple[PartFacts, ...] | None:
    before = len(fields.problems)
    value = fields.json("price")
    if value is None:
        return () if len(fields.problems) == before else None
    parts = [_part(item) for item in value] if isinstance(value, list) else [None]
    if None in parts:
        fields.wrong("price is not a list of parts")
        return None
    return tuple(part for part in parts if part is not None)


def _part(item: Any) -> PartFacts | None:
    if not isinstance(item, list) or len(item) != 3:
        return None
    name, credits, promised = item
    if not (isinstance(name, str) and is_whole(credits) and isinstance(promised, list)):
        return None
    if not all(isinstance(key, str) for key in promised):
        return None
    return PartFacts(name=name, credits=credits, promised=tuple(promised))


def _receipt(fields: Fields) -> ReceiptFacts | None:
    value = fields.json("receipt")
    if value is None:
        return None
    parts = value.get("parts") if isinstance(value, dict) else None
    if not isinstance(parts, list) or not all(
        is_whole(number) for number in (*parts, value.get("used"), value.get("refunded"))
    ):
        fields.wrong("receipt is not a receipt")
        return None
    reason = value.get("reason")
    return ReceiptFacts(
        used=value["used"],
        refunded=value["refunded"],
        parts=tuple(parts),
        reason=reason if isinstance(reason, str) else None,
    )
