"""An account's credits, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from darkroom.bootstrap.composition import App
from darkroom.credits import model, pricing, store
from darkroom.credits.model import Entry, EntryType, Grant, GrantSource, ReferenceType, Wallet
from darkroom.db.raw import find_raw
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.payments.store import TEST_GATEWAY, GatewayName
from darkroom.plans.model import plan_names
from darkroom.plans.store import find_plan
from darkroom.usecases.accounts.open_account import ensure_wallet
from darkroom.views.base import (
    AccountId,
    Credits,
    NextCursor,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)
from darkroom.views.labels import Label

DECIMAL_PATTERN = r"^[0-9]+(\.[0-9]+)?$"


@dataclass(frozen=True)
class _ByCost:
    """Numbers by the names of the catalog's costs, each of which the document lists."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        names = list(pricing.costs())
        return {
            "type": "object",
            "properties": {
                name: {
                    "type": "integer",
                    "minimum": 0,
                    "description": f"Cost of `{name}` in credits.",
                    "examples": [cost],
                }
                for name, cost in pricing.costs().items()
            },
            "required": names,
            "additionalProperties": False,
        }


EntryTypeWord = Annotated[
    str,
    Words("EntryType", lambda: EntryType),
    described(
        "What happened: credits were bought, given as a bonus, reserved for a job (`DEDUCT`), "
        "returned from it (`REFUND`) or used by it (`SETTLE`); they expired, were taken back with "
        "their payment or restored (`REVERSAL`), or changed by an operator (`ADJUST`).",
        "DEDUCT",
    ),
]
PackName = Annotated[
    str, Words("PackName", pricing.pack_names), described("Name of the pack.", "Starter")
]
CurrencyCode = Annotated[
    str,
    Words("Currency", pricing.currencies),
    described("Currency as its ISO 4217 code.", "USD"),
]
GatewayWord = Annotated[
    str,
    Words("PaymentGateway", lambda: get_args(GatewayName)),
    described("Who takes the payment: `test` adds credits without money.", "stripe"),
]
PlanWord = Annotated[str, Words("PlanName", plan_names), described("Name of the plan.", "basic")]
Balance = Annotated[Credits, described("Credits that can be spent.", 18)]
Held = Annotated[Credits, described("Credits reserved for unfinished jobs.", 2)]
Debt = Annotated[
    Credits,
    described(
        "Credits owed because a refunded payment's had been spent. While it is above 0, none can "
        "be spent; credits that come in pay it first.",
        0,
    ),
]


class WalletGrant(ResponseBody):
    """Credits that were added together. Those that expire first are spent first, and bonuses
    before purchases."""

    grant_id: Annotated[str, described("Id of the grant within the wallet.", "bonus#signup")]
    source: Annotated[
        str,
        Words("GrantSource", lambda: get_args(GrantSource)),
        described(
            "Why they were added: bought, the welcome bonus, returned from a job after their grant "
            "had expired, or given by an operator.",
            "bonus",
        ),
    ]
    remaining: Annotated[Credits, described("Credits of the grant that are left.", 3)]
    expires_at: Annotated[
        Omittable[Timestamp], described("When the rest expires; absent if it does not.")
    ] = None


class Transaction(ResponseBody):
    """An entry of the ledger. Entries never change."""

    id: Annotated[
        str,
        described("What caused it; a cause happens once.", "deduct#job_01JGTQ4M9R8W3Z5K7N2P6X0A00"),
    ]
    type: EntryTypeWord
    amount: Annotated[int, described("Change of the balance in credits.", -2)]
    held_change: Annotated[int, described("Change of the reserved credits.", 2)]
    balance_after: Annotated[Balance, described("Balance after it, in credits.", 16)]
    held_after: Annotated[Held, described("Reserved credits after it.", 2)]
    reference_type: Annotated[
        str,
        Words("ReferenceType", lambda: get_args(ReferenceType)),
        described("What `referenceId` names.", "job"),
    ]
    reference_id: Annotated[
        str,
        described(
            "Id of the job, purchase, grant or adjustment; for the bonus, of the account.",
            "job_01JGTQ4M9R8W3Z5K7N2P6X0A00",
        ),
    ]
    description: Annotated[
        str, described("A short text in English, or an operator's reason.", "Reserved for a job")
    ]
    created_at: Annotated[Timestamp, described("When it happened.")]


class WalletResponse(ResponseBody):
    """``debt`` is what the account owes after a payment was refunded; until it is paid, no credits
    can be spent."""

    balance: Balance
    held: Held
    debt: Debt
    grants: Annotated[list[WalletGrant], described("The grants that the balance consists of.")]
    transactions: Annotated[
        list[Transaction], described("The newest entries of the ledger, newest first.")
    ]
    next_cursor: Annotated[
        NextCursor,
        described("Cursor of `GET /api/credits/transactions` for older entries; null if none."),
    ]


class TransactionPage(ResponseBody):
    items: Annotated[list[Transaction], described("Entries of the ledger, newest first.")]
    next_cursor: NextCursor


class Price(ResponseBody):
    currency: CurrencyCode
    amount: Annotated[
        str, described("In the currency's main unit.", "3.99", pattern=DECIMAL_PATTERN)
    ]


class Pack(ResponseBody):
    """``price`` and ``currency`` apply unless a purchase names another currency."""

    name: PackName
    credits: Annotated[Credits, described("Credits that the pack adds.", 10)]
    price: Annotated[
        str,
        described("Price in the main unit of `currency`.", "3.99", pattern=DECIMAL_PATTERN),
    ]
    currency: CurrencyCode
    prices: Annotated[list[Price], described("Its price in each currency it is sold in.")]
    use: Annotated[Label, Field(alias="for"), described("What its credits are enough for.")]


class PriceNote(ResponseBody):
    """A rule for the price of jobs, as a sentence for users in English and Korean."""

    code: Annotated[
        str,
        Words("PriceNoteCode", lambda: [note["code"] for note in pricing.notes()]),
        described("Which rule it is."),
    ]
    en: Annotated[
        str,
        described("In English.", "A retry costs the rest of the price."),
    ]
    ko: Annotated[str, described("In Korean.", "재시도는 나머지만 청구됩니다.")]


class PricingResponse(ResponseBody):
    gateway: GatewayWord
    packs: Annotated[list[Pack], described("Packs of credits, the smallest first.")]
    costs: Annotated[
        dict[str, int],
        _ByCost(),
        described(
            "Costs in credits: of one job (`quick`, `story`, `trailer`, `film`), of one picture, "
            "text or voice (`portrait`, `image`, `script`, `voice`), of each started minute "
            "(`captionsPerMinute`, and `translationPerMinute` for each language), of a rewritten "
            "ending and of a regeneration."
        ),
    ]
    notes: Annotated[list[PriceNote], described("The rules by which jobs are charged.")]


class AccountResponse(ResponseBody):
    """``isDamaged``: the wallet cannot be read and must be rebuilt from its ledger."""

    account_id: AccountId
    plan: PlanWord
    frozen: Annotated[bool, described("Whether its credits cannot be spent for now.")]
    frozen_reason: Annotated[
        str | None,
        described("Why it is frozen; null if it is not.", "audit: L1"),
    ]
    is_damaged: Annotated[
        Omittable[Literal[True]],
        described(
            "Present if the wallet cannot be read: its numbers are 0 until it is rebuilt from its "
            "ledger."
        ),
    ] = None
    balance: Balance
    held: Held
    debt: Debt
    version: Annotated[int, described("Number of the newest entry in the ledger.", 12, minimum=0)]


def get_wallet(
    app: App, account_id: str, *, limit: int
) -> tuple[Wallet, list[Transaction], int | None]:
    """The wallet as it can be spent now, its newest transactions, and the version before which the
    next page of them starts."""
    wallet = model.spendable(ensure_wallet(app, account_id), app.clock.now())
    entries, position = store.list_entries(account_id, limit=limit)
    return wallet, [transaction(entry) for entry in entries], position


def wallet_response(
    wallet: Wallet, transactions: list[Transaction], next_cursor: str | None
) -> WalletResponse:
    return WalletResponse(
        balance=wallet.balance,
        held=wallet.held,
        debt=wallet.debt,
        grants=[_grant(grant) for grant in wallet.grants],
        transactions=transactions,
        next_cursor=next_cursor,
    )


def get_account(account_id: str) -> AccountResponse:
    """An operator's view of a wallet.

    Raises:
        NotFound: the account has no wallet.
    """
    raw = find_raw(store.WalletItem, account_id)
    if raw is None:
        raise NotFound("no such account")
    reason = store.frozen_reason(raw)
    try:
        wallet, is_damaged = store.find_wallet(account_id) or Wallet(account_id=account_id), False
    except Conflict:
        wallet, is_damaged = Wallet(account_id=account_id), True
    return AccountResponse(
        account_id=account_id,
        plan=find_plan(account_id),
        frozen=reason is not None,
        frozen_reason=reason,
        is_damaged=True if is_damaged else None,
        balance=wallet.balance,
        held=wallet.held,
        debt=wallet.debt,
        version=wallet.version,
    )


def list_transactions(
    app: App, account_id: str, *, limit: int, before: int | None, type_: str | None
) -> tuple[list[Transaction], int | None]:
    ensure_wallet(app, account_id)
    entries, position = store.list_entries(
        account_id, limit=limit, before_version=before, type_=type_
    )
    return [transaction(entry) for entry in entries], position


def get_pricing(app: App) -> PricingResponse:
    """Packs with their price in the stage's currency and in all others, the costs in credits, and
    the pricing rules as sentences."""
    currency = app.settings.currency
    return PricingResponse(
        gateway=app.payments.name if app.payments else TEST_GATEWAY,
        packs=[
            Pack(
                name=pack.name,
                credits=pack.credits,
                price=str(pricing.price_of(pack, currency)),
                currency=currency,
                prices=[
                    Price(currency=currency, amount=str(amount))
                    for currency, amount in pack.prices.items()
                ],
                use=Label(**pack.use),
            )
            for pack in pricing.packs()
        ],
        costs=dict(pricing.costs()),
        notes=[PriceNote(**note) for note in pricing.notes()],
    )


def transaction(entry: Entry) -> Transaction:
    return Transaction(
        id=entry.cause,
        type=entry.type.value,
        amount=entry.amount,
        held_change=entry.held_change,
        balance_after=entry.balance_after,
        held_after=entry.held_after,
        reference_type=entry.reference_type,
        reference_id=entry.reference_id,
        description=entry.description,
        created_at=to_iso(entry.created_at),
    )


def _grant(grant: Grant) -> WalletGrant:
    return WalletGrant(
        grant_id=grant.grant_id,
        source=grant.source,
        remaining=grant.remaining,
        expires_at=to_iso(grant.expires_at) if grant.expires_at else None,
    )
