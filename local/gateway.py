"""Gives the emulator's HTTP API what the template says of it.

SAM writes routes, integrations, the authorizer and CORS into the API's OpenAPI `Body`. AWS reads
that body; the emulator does not, and still reports success. So the same body is read here and
created through the public API Gateway calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Route:
    """One route of an OpenAPI body, as API Gateway names it."""

    key: str
    function_uri: str
    authorizer: str | None


def routes_of(body: dict[str, Any]) -> Iterator[Route]:
    """The routes of a body whose intrinsics are resolved."""
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            schemes = [name for entry in operation.get("security", []) for name in entry]
            yield Route(
                key=f"{method.upper()} {path}",
                function_uri=integration["uri"],
                authorizer=None if schemes in ([], ["NONE"]) else schemes[0],
            )


def configure(client: Any, api_id: str, body: dict[str, Any]) -> None:
    """Make the API's CORS, authorizers, integrations and routes those of the body; idempotent."""
    cors = {
        name[0].upper() + name[1:]: value
        for name, value in body["x-amazon-apigateway-cors"].items()
    }
    client.update_api(ApiId=api_id, CorsConfiguration=cors)
    authorizers = _configure_authorizers(client, api_id, body["components"]["securitySchemes"])
    routes = list(routes_of(body))
    integrations = _configure_integrations(client, api_id, {route.function_uri for route in routes})
    existing = {item["RouteKey"]: item["RouteId"] for item in _items(client.get_routes, api_id)}
    for route in routes:
        settings: dict[str, Any] = {
            "RouteKey": route.key,
            "Target": f"integrations/{integrations[route.function_uri]}",
            "AuthorizationType": "JWT" if route.authorizer else "NONE",
        }
        if route.authorizer:
            settings["AuthorizerId"] = authorizers[route.authorizer]
        if route.key in existing:
            client.update_route(ApiId=api_id, RouteId=existing.pop(route.key), **settings)
        else:
            client.create_route(ApiId=api_id, **settings)
    for route_id in existing.values():
        client.delete_route(ApiId=api_id, RouteId=route_id)


def _configure_authorizers(client: Any, api_id: str, schemes: dict[str, Any]) -> dict[str, str]:
    """Names to ids."""
    existing = {
        item["Name"]: item["AuthorizerId"] for item in _items(client.get_authorizers, api_id)
    }
    ids = {}
    for name, scheme in schemes.items():
        authorizer = scheme["x-amazon-apigateway-authorizer"]
        jwt = authorizer["jwtConfiguration"]
        settings = {
            "Name": name,
            "AuthorizerType": "JWT",
            "IdentitySource": [authorizer["identitySource"]],
            "JwtConfiguration": {"Issuer": jwt["issuer"], "Audience": jwt["audience"]},
        }
        if name in existing:
            ids[name] = existing[name]
            client.update_authorizer(ApiId=api_id, AuthorizerId=ids[name], **settings)
        else:
            ids[name] = client.create_authorizer(ApiId=api_id, **settings)["AuthorizerId"]
    return ids


def _configure_integrations(client: Any, api_id: str, uris: set[str]) -> dict[str, str]:
    """Function URIs to integration ids."""
    ids = {
        item["IntegrationUri"]: item["IntegrationId"]
        for item in _items(client.get_integrations, api_id)
    }
    for uri in sorted(uris - ids.keys()):
        ids[uri] = client.create_integration(
            ApiId=api_id,
            IntegrationType="AWS_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=uri,
            PayloadFormatVersion="2.0",
        )["IntegrationId"]
    return ids


def _items(list_page: Any, api_id: str) -> list[dict[str, Any]]:
    """Everything that a paged call of API Gateway lists."""
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {}
    while True:
        token = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
        page = list_page(ApiId=api_id, MaxResults="100", **token)
        items += page["Items"]
        if not page.get("NextToken"):
            return items
