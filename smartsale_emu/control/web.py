"""The page of a pinpad that one can touch: files of the package, each under a path of its own."""

from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Response

SCRIPTS: Final = (
    "api.js",
    "books.js",
    "cards.js",
    "device.js",
    "diagram.js",
    "faults.js",
    "line.js",
    "nodes.js",
    "page.js",
    "watch.js",
    "words.js",
)
"""The modules of the page; ``page.js`` puts them together."""

FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in SCRIPTS},
}
"""Path to file and kind. Nothing else is ever read."""


def add_page(app: FastAPI) -> None:
    """Serve the page beside the API."""
    for path, (name, kind) in FILES.items():
        _add(app, path, name, kind)


def _add(app: FastAPI, path: str, name: str, kind: str) -> None:
    text = files("smartsale_emu.control").joinpath("page", name).read_bytes()

    @app.get(path, include_in_schema=False)
    def file() -> Response:
        return Response(text, media_type=kind)
