"""The deployable: `uvicorn app.main:app` serves the artifact that RECSYS_ARTIFACT names."""

from __future__ import annotations

import logging.config

from enterprise_recsys.errors import RecsysError
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.logs import form_of, log_config

try:
    logging.config.dictConfig(log_config(form_of()))  # in place of uvicorn's own, which is set before this is read
    app = create_app()
except RecsysError as error:
    raise SystemExit(str(error)) from None  # one line for whoever starts it, no traceback
