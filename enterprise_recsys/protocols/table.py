"""PROTOCOLS: every protocol by name."""

from __future__ import annotations

from collections.abc import Mapping

from enterprise_recsys.protocols.cold import COLD
from enterprise_recsys.protocols.collaborative import COLLABORATIVE
from enterprise_recsys.protocols.contextual import CONTEXTUAL
from enterprise_recsys.protocols.predictive import PREDICTIVE
from enterprise_recsys.protocols.sequential import SEQUENTIAL
from enterprise_recsys.protocols.tasks import Protocol

PROTOCOLS: Mapping[str, Protocol] = {**SEQUENTIAL, **COLLABORATIVE, **COLD, **CONTEXTUAL, **PREDICTIVE}
