"""The registry of cloud providers, and how each is built from the configuration.

The configuration names the providers to use; the others are not even imported. Besides ``models``
(by capability) it may say ``secret`` (name or ARN, where it is not the default), for AWS
services ``region``, for Bedrock ``guardrail`` and ``guardrailVersion``, and on local stacks only
``apiBase``: another address, where a stand-in of the vendor listens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from darkroom.adapters.clients import Clients
from darkroom.adapters.secrets import Secret
from darkroom.generation.routing import routes
from darkroom.kernel.settings import Settings

if TYPE_CHECKING:
    from darkroom.generation.ports import AsyncProvider, ImageModerator, Provider
    from darkroom.uploads.ports import FindFaces

LOOPBACK = frozenset({"127.0.0.1"})
Config = Mapping[str, Any]
MODERATION = "rekognition"
"""Checks pictures only, so no route leads to it."""


def cloud_providers(settings: Settings, clients: Clients) -> dict[str, Provider | AsyncProvider]:
    """The configured providers; the template decides which functions may read their secrets.

    Raises:
        ValueError: the configuration or a route names an unknown provider.
    """
    routes.check_routes(settings.provider_routes, frozenset(settings.provider_config))
    found: dict[str, Provider | AsyncProvider] = {}
    for name, config in settings.provider_config.items():
        if name == MODERATION:
            continue
        if name not in _BUILDERS:
            raise ValueError(f"unknown provider {name!r}; known are {sorted(_BUILDERS)}")
        if config.get("apiBase") and not settings.test_hooks:
            raise ValueError(f"{name}: only a local stack may talk to a stand-in")
        found[name] = _BUILDERS[name](settings, clients, config)
    return found


def moderator_of(settings: Settings, clients: Clients) -> ImageModerator | None:
    """The moderator of cloud providers' pictures; None without a configured one."""
    config = settings.provider_config.get(MODERATION)
    if config is None:
        return None
    from darkroom.generation.vendors.rekognition import RekognitionModeration

    return RekognitionModeration(_client("rekognition", clients, config))


def face_finder_of(settings: Settings, clients: Clients) -> FindFaces | None:
    """The service that finds faces in uploaded pictures; None for the built-in models.

    Raises:
        ValueError: the provider is unknown.
    """
    if settings.face_provider == "local":
        return None
    if settings.face_provider != "rekognition":
        raise ValueError(f"unknown face provider {settings.face_provider!r}")
    from darkroom.generation.vendors.rekognition import RekognitionFaces

    config = settings.provider_config.get(MODERATION, {})
    return RekognitionFaces(_client("rekognition", clients, config))


def _http(name: str, settings: Settings, clients: Clients, config: Config) -> dict[str, Any]:
    """The arguments of every vendor behind an HTTP API."""
    secret = Secret(clients, config.get("secret") or settings.provider_secret_prefix + name)
    return {
        "read_secret": lambda: secret.text,
        "models": config.get("models", {}),
        "api_base": config.get("apiBase"),
    }


def _results(config: Config) -> dict[str, Any]:
    return {"result_hosts": LOOPBACK} if config.get("apiBase") else {}


def _replicate(settings: Settings, clients: Clients, config: Config) -> AsyncProvider:
    from darkroom.generation.vendors.replicate import Replicate

    return Replicate(**_http(routes.REPLICATE, settings, clients, config), **_results(config))


def _fal(settings: Settings, clients: Clients, config: Config) -> AsyncProvider:
    from darkroom.generation.vendors.fal import Fal

    return Fal(**_http(routes.FAL, settings, clients, config), **_results(config))


def _creatomate(settings: Settings, clients: Clients, config: Config) -> AsyncProvider:
    from darkroom.generation.vendors.creatomate import Creatomate

    return Creatomate(**_http(routes.CREATOMATE, settings, clients, config), **_results(config))


def _elevenlabs(settings: Settings, clients: Clients, config: Config) -> Provider:
    from darkroom.generation.vendors.elevenlabs import ElevenLabs

    return ElevenLabs(**_http(routes.ELEVENLABS, settings, clients, config))


def _anthropic(settings: Settings, clients: Clients, config: Config) -> Provider:
    from darkroom.generation.vendors.anthropic import Anthropic

    return Anthropic(**_http(routes.ANTHROPIC, settings, clients, config))


def _client(service: str, clients: Clients, config: Config) -> Callable[[], Any]:
    return lambda: clients.of_provider(
        service, endpoint_url=config.get("apiBase"), region=config.get("region")
    )


def _bedrock(_settings: Settings, clients: Clients, config: Config) -> Provider:
    from darkroom.generation.vendors.bedrock import Bedrock

    client = _client("bedrock-runtime", clients, config)
    guarded = {}
    if config.get("guardrail"):
        guarded = {
            "guardrail": config["guardrail"],
            "guardrail_version": config.get("guardrailVersion", "1"),
        }
    return Bedrock(client, models=config.get("models", {}), **guarded)


def _polly(_settings: Settings, clients: Clients, config: Config) -> Provider:
    from darkroom.generation.vendors.polly import Polly

    return Polly(_client("polly", clients, config), models=config.get("models", {}))


def _translate(_settings: Settings, clients: Clients, config: Config) -> Provider:
    from darkroom.generation.vendors.translate import Translate

    return Translate(_client("translate", clients, config), models=config.get("models", {}))


def _transcribe(settings: Settings, clients: Clients, config: Config) -> AsyncProvider:
    from darkroom.generation.vendors.transcribe import Transcribe

    return Transcribe(
        _client("transcribe", clients, config),
        region=config.get("region") or settings.region,
        models=config.get("models", {}),
        **_results(config),
    )


_BUILDERS: dict[str, Callable[[Settings, Clients, Config], Any]] = {
    routes.REPLICATE: _replicate,
    routes.FAL: _fal,
    routes.CREATOMATE: _creatomate,
    routes.ELEVENLABS: _elevenlabs,
    routes.ANTHROPIC: _anthropic,
    routes.BEDROCK: _bedrock,
    routes.POLLY: _polly,
    routes.TRANSLATE: _translate,
    routes.TRANSCRIBE: _transcribe,
}
