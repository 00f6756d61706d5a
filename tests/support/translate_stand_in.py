"""A stand-in for Amazon Translate: languages, limits and errors as documented; the words it "knows"
are the words themselves, turned round and marked with the language.

Source: https://docs.aws.amazon.com/translate/latest/APIReference/API_TranslateText.html.
"""

from __future__ import annotations

from typing import Any

from tests.support.aws_stand_in import AwsError, AwsStandIn, Json

LIMIT_BYTES = 10_000
LANGUAGES = {"en", "ko", "ja", "zh", "zh-TW", "fr", "fr-CA", "de", "es", "no", "pt", "pt-PT", "he"}


class TranslateStandIn(AwsStandIn):
    service = "translate"

    def __init__(self) -> None:
        super().__init__()
        self.throttles = 0
        """How many of the next calls are too many."""

    def do(self, operation: str, fields: Json) -> Any:
        if self.throttles > 0:
            self.throttles -= 1
            raise AwsError("TooManyRequestsException", 400, "Rate exceeded")
        text, source = fields["Text"], fields["SourceLanguageCode"]
        target = fields["TargetLanguageCode"]
        if len(text.encode()) > LIMIT_BYTES:
            raise AwsError("TextSizeLimitExceededException", 400)
        if target not in LANGUAGES or source not in LANGUAGES | {"auto"}:
            raise AwsError("UnsupportedLanguagePairException", 400)
        if source == "auto" and not text.isascii():
            raise AwsError("DetectedLanguageLowConfidenceException", 400)
        return {
            "TranslatedText": translated(text, target),
            "SourceLanguageCode": "en" if source == "auto" else source,
            "TargetLanguageCode": target,
        }


def translated(text: str, target: str) -> str:
    return f"{target}:{' '.join(reversed(text.split()))}"
