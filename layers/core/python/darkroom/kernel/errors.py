"""The one exception tree. The domain knows no HTTP; ``darkroom.api.errors`` maps it to statuses.

DarkroomError
├── InvalidInput          the caller sent something that can never be accepted
├── NotFound              missing, or another account's (indistinguishable)
│   └── Unreadable            stored, but damaged; reported where it was found
├── Gone                  it was, and will never be again
├── Conflict              valid input, but not possible in this state
│   ├── AlreadyHappened       the cause, claim or message had its effect before
│   ├── WalletDamaged         the account counts as frozen until its wallet is rebuilt
│   ├── PreconditionFailed    a stale If-Match
│   └── ConcurrentUpdate      another request changed it between read and commit
├── PaymentRequired       not enough credits, or a debt is open
├── Forbidden
├── Unauthorized
├── TooLarge
├── UnsupportedType
├── Unprocessable
│   └── KeyReused             an idempotency key that belongs to another request
├── RateLimited
├── Unavailable           a dependency did not respond; repeating is safe
│   └── CountersDamaged       an operator has to repair the account's counters
└── ProviderError         (in ``darkroom.generation.ports``)

Errors that are also ``Damaged`` come back at every repeat until an operator has repaired an item.
A queue, a stream or a sweep passes such an item over, so that the others behind it go on.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from darkroom.kernel.redaction import redacted


class DarkroomError(Exception):
    """A failure with a stable ``code``, and facts that a client may show or act on."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, detail: str = "", *, code: str | None = None, **facts: Any) -> None:
        self.error_code = code or self.code
        # It may be a vendor's or a library's, and is logged and stored.
        self.detail = redacted(detail)
        self.facts = facts
        super().__init__(f"{self.error_code}: {self.detail}" if detail else self.error_code)

    def __copy__(self) -> Self:
        """The same failure as if it had not been raised: without traceback, cause and notes."""
        copied = type(self).__new__(type(self), *self.args)
        copied.__dict__.update({**vars(self), "facts": dict(self.facts)})
        copied.__dict__.pop("__notes__", None)
        return copied


class Damaged(Exception):
    """A stored item is damaged: repeating does not help."""


class InvalidInput(DarkroomError):
    code = "VALIDATION_FAILED"


class NotFound(DarkroomError):
    code = "NOT_FOUND"


class Unreadable(NotFound, Damaged):
    code = "ITEM_UNREADABLE"


class Gone(DarkroomError):
    code = "ACCOUNT_ERASED"


class OwnerUnknown(LookupError, Damaged):
    """No item names the account of an object or a job any more."""


class Conflict(DarkroomError):
    code = "CONFLICT"


class AlreadyHappened(Conflict):
    code = "ALREADY_HAPPENED"


class WalletDamaged(Conflict, Damaged):
    code = "ACCOUNT_FROZEN"


class PreconditionFailed(Conflict):
    code = "PRECONDITION_FAILED"


class ConcurrentUpdate(Conflict):
    code = "CONCURRENT_UPDATE"


class PaymentRequired(DarkroomError):
    code = "CREDITS_INSUFFICIENT"


class Unauthorized(DarkroomError):
    code = "UNAUTHORIZED"


class Forbidden(DarkroomError):
    code = "FORBIDDEN"


class TooLarge(DarkroomError):
    code = "FILE_TOO_LARGE"


class UnsupportedType(DarkroomError):
    code = "UNSUPPORTED_TYPE"


class Unprocessable(DarkroomError):
    code = "UNPROCESSABLE"


class KeyReused(Unprocessable):
    code = "IDEMPOTENCY_MISMATCH"


class RateLimited(DarkroomError):
    code = "RATE_LIMITED"


class Unavailable(DarkroomError):
    code = "UNAVAILABLE"


class CountersDamaged(Unavailable, Damaged):
    """The numbers of an account's files are damaged, so nothing can be added to them."""
