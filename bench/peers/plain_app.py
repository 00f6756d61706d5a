"""The naive confirm behind HTTP: FastAPI with a plain ``def`` route and a typed body."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bench.peers.naive_confirm import NaiveConfirm, NotEnough


class ConfirmBody(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    mode: str
    stage: str
    genre: str
    photo_asset_ids: list[str]


def create_plain_app(peer: NaiveConfirm) -> FastAPI:
    api = FastAPI()

    @api.post("/api/jobs/confirm", status_code=202)
    def confirm(body: Annotated[ConfirmBody, Body()], request: Request) -> dict[str, Any]:
        context = request.scope["aws.event"]["requestContext"]
        try:
            return peer.confirm(
                context["authorizer"]["jwt"]["claims"]["sub"],
                mode=body.mode,
                stage=body.stage,
                genre=body.genre,
                asset_id=body.photo_asset_ids[0],
            )
        except NotEnough as error:
            raise HTTPException(402) from error

    return api
