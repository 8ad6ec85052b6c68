"""Resources of the control API: a scenario, played against the register that is at the port."""

from fastapi import APIRouter, Response

from smartsale_emu.control import api_models as api
from smartsale_emu.control.api_service import Service


def routes(service: Service) -> APIRouter:
    """Return the resources."""
    router, stories = APIRouter(tags=["scenario"]), service.stories

    @router.get("/scenario")
    def get_scenario() -> api.Scenario:
        """Return the scenario that is played, or was played last."""
        return stories.told()

    @router.put("/scenario")
    def play_scenario(given: api.ScenarioIn) -> api.Scenario:
        """Play the steps of a scenario from now on; one that is being played is stopped.

        Its setting must be this pinpad's: only `customer` is taken from it.
        """
        stories.play(given.yaml)
        return stories.told()

    @router.delete("/scenario", status_code=204)
    def stop_scenario() -> Response:
        """Stop it; what it has armed is disarmed."""
        stories.stop()
        return Response(status_code=204)

    return router
