"""Start the engine with somebody's pjsua2, but only one that was found to serve."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import TelephonyError
from ..child import ChildLauncher, RunningEngine
from .probe import Pjsua2Report, probe_pjsua2


@dataclass(frozen=True, kw_only=True)
class Pjsua2Launcher:
    """Asks an interpreter what its pjsua2 can do, and starts the engine with it if it can."""

    interpreter: str

    async def probe(self) -> Pjsua2Report:
        """Return what it can do. Raises the Pjsua2Error that tells why it cannot serve."""
        report = await probe_pjsua2(self.interpreter)
        if report.problem:
            raise TelephonyError.of_reason(
                f"pjsua2_{report.problem}",
                {"interpreter": self.interpreter, "version": report.version or "?"},
            )
        return report

    async def launch(self) -> RunningEngine:
        """Bring the engine up; raises a Pjsua2Error or EngineStartError."""
        await self.probe()
        return await ChildLauncher(backend="pjsua2", interpreter=self.interpreter).launch()
