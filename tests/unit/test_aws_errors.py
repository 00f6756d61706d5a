"""What the errors of AWS mean, from the real botocore client against a local server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.generation.ports import (
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.vendors.aws import ref_of, require_field, translate_errors
from tests.support.aws_stand_in import AwsError, Raw
from tests.support.polly_stand_in import PollyStandIn
from tests.support.translate_stand_in import TranslateStandIn


@pytest.fixture
def stand_in() -> Iterator[TranslateStandIn]:
    with TranslateStandIn() as server:
        yield server


def ask(client: Any) -> Any:
    with translate_errors():
        response = client.translate_text(
            Text="one", SourceLanguageCode="en", TargetLanguageCode="ko"
        )
    require_field(response, "TranslatedText")
    return response


def failure_of(client: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(client)
    return caught.value


BUSY = ("PROVIDER_UNAVAILABLE", TransientProviderError)
OURS = ("PROVIDER_NOT_CONFIGURED", PermanentProviderError)
EMPTY = ("PROVIDER_QUOTA", PermanentProviderError)
BAD = ("PROVIDER_REFUSED", PermanentProviderError)
LOST = ("PROVIDER_UNAVAILABLE", ResponseLost)


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (AwsError("ThrottlingException"), BUSY),
        (AwsError("TooManyRequestsException", 429), BUSY),
        (AwsError("ProvisionedThroughputExceededException"), BUSY),
        (AwsError("ServiceUnavailableException", 503), BUSY),
        (AwsError("InternalServerException", 500), BUSY),
        (AwsError("InternalFailure", 500), BUSY),
        (AwsError("ExpiredTokenException", 403), BUSY),
        (AwsError("SomethingNewException", 500), BUSY),
        (AwsError("AccessDeniedException"), OURS),
        (AwsError("UnrecognizedClientException"), OURS),
        (AwsError("InvalidSignatureException", 403), OURS),
        (AwsError("ResourceNotFoundException"), OURS),
        (AwsError("SubscriptionRequiredException"), OURS),
        (AwsError("ServiceQuotaExceededException", 402), EMPTY),
        (AwsError("LimitExceededException"), EMPTY),
        (AwsError("InvalidRequestException"), BAD),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_code_means_what_its_status_would(
    stand_in: TranslateStandIn, fault: Any, meaning: Any
) -> None:
    stand_in.faults.append(fault)

    error = failure_of(stand_in.client())

    assert (error.error_code, type(error)) == meaning
    assert len(stand_in.requests) == 1, "never sent twice"


def test_without_credentials_nothing_is_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    import boto3
    from botocore.config import Config

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    session = boto3.session.Session()
    client = session.client("translate", region_name="us-east-1", config=Config())

    error = failure_of(client)

    assert error.error_code == "PROVIDER_NOT_CONFIGURED"


def test_a_request_that_botocore_refuses_is_never_sent(stand_in: TranslateStandIn) -> None:
    with pytest.raises(PermanentProviderError) as caught, translate_errors():
        stand_in.client().translate_text(Text=7)

    assert caught.value.error_code == "PROVIDER_REFUSED"
    assert stand_in.requests == []


def test_the_error_has_the_request_id(stand_in: TranslateStandIn) -> None:
    response = ask(stand_in.client())

    assert ref_of(response) == "00000001-stand-in"


def test_a_stream_that_breaks_off_is_lost() -> None:
    with PollyStandIn() as stand_in:
        stand_in.faults.append(Raw(200, b"half", {"content-length": "4000"}))
        speech = {"VoiceId": "Joanna", "OutputFormat": "mp3", "Text": "one"}

        with pytest.raises(ResponseLost), translate_errors():
            stand_in.client(read_timeout=1).synthesize_speech(**speech)["AudioStream"].read()
