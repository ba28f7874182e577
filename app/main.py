"""The deployable: `uvicorn app.main:app` serves the artifact that RECSYS_ARTIFACT names."""

from __future__ import annotations

from enterprise_recsys.errors import RecsysError
from enterprise_recsys.service.app import create_app

try:
    app = create_app()
except RecsysError as error:
    raise SystemExit(str(error)) from None  # one line for whoever starts it, no traceback
