"""Parameters that several routes have, with their texts in the API's document."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from darkroom.kernel.limits import PAGE_LIMIT

Cursor = Annotated[
    str | None,
    Query(
        description="The `nextCursor` of the previous page, sent with the same filters.",
        examples=["eyJhIjoiMjAyNi0wMS0wNSJ9.5d1c"],
    ),
]
Limit = Annotated[
    int, Query(ge=1, le=PAGE_LIMIT, description="Most items on a page.", examples=[20])
]
JobIdInPath = Annotated[
    str,
    Path(alias="jobId", description="Id of the job.", examples=["job_01JGTQ4M9R8W3Z5K7N2P6X0A00"]),
]
AlbumIdInPath = Annotated[
    str,
    Path(
        alias="albumId", description="Id of the album.", examples=["alb_01JGTQ4M9R8W3Z5K7N2P6X0C00"]
    ),
]
AssetIdInPath = Annotated[
    str,
    Path(
        alias="assetId", description="Id of the file.", examples=["ast_01JGTQ4M9R8W3Z5K7N2P6X0B00"]
    ),
]
ReferencePhotoIdInPath = Annotated[
    str,
    Path(
        alias="referencePhotoId",
        description="Id of the reference photo.",
        examples=["ref_01JGTQ4M9R8W3Z5K7N2P6X0D00"],
    ),
]
AccountIdInPath = Annotated[
    str,
    Path(
        alias="accountId",
        description="Id of the account: its token's `sub`.",
        examples=["4f1c2a9e-7b0d-4c55-9a3e-2d8f6b1e7c90"],
    ),
]
ExportIdInPath = Annotated[
    str,
    Path(
        alias="exportId",
        description="Id of the export.",
        examples=["exp_01JGTQ4M9R8W3Z5K7N2P6X0F00"],
    ),
]
EndpointIdInPath = Annotated[
    str,
    Path(
        alias="endpointId",
        description="Id of the webhook endpoint.",
        examples=["whe_01JGTQ4M9R8W3Z5K7N2P6X0F00"],
    ),
]
DeliveryIdInPath = Annotated[
    str,
    Path(
        alias="deliveryId",
        description="Id of the delivery.",
        examples=["dlv_01JGTQ4M9R8W3Z5K7N2P6X0G00"],
    ),
]
PurchaseIdInPath = Annotated[
    str,
    Path(
        alias="purchaseId",
        max_length=100,
        description="Id of the purchase.",
        examples=["pur_01JGTQ4M9R8W3Z5K7N2P6X0E00"],
    ),
]
ShareTokenInPath = Annotated[
    str,
    Path(
        description="The secret at the end of the shared link.",
        examples=["CzBVep_E6Q4zWH2ix-wRNluApcrvFDleg6jN8hc8YYY"],
    ),
]
OutputIdInPath = Annotated[
    str,
    Path(
        alias="outputId",
        description="Id of the output.",
        examples=["out_01JGTQ4M9R8W3Z5K7N2P6X0A01"],
    ),
]
