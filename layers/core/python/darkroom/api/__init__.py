"""The HTTP API: routers, schemas, authentication, error responses, idempotency, cursors."""

import warnings

from pydantic import BaseModel
from pydantic.warnings import UnsupportedFieldAttributeWarning

# FastAPI has dozens of models for OpenAPI documents, which only the document's route needs, and a
# function uses few of our own. Each is built at its first use instead of at every cold start: a
# tenth of the processor time that the confirm function takes to start.
BaseModel.model_config["defer_build"] = True
# FastAPI hides this warning about its own fields only while it builds them itself.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
