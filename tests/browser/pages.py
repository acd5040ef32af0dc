"""What the tests look at and press, by role and name, as a person or a screen reader finds it."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import command


class Pages:
    """The pages of the main area and the dialogs of one JupyterLab."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def of(self, name: str) -> Any:
        """The page called *name*."""
        return self.page.get_by_role("region", name=name, exact=True)

    def open(self, name: str, command_name: str, **arguments: str) -> Any:
        """Open a page by its command."""
        command(self.page, command_name, **arguments)
        found = self.of(name)
        found.wait_for()
        return found

    def model(self, name: str, tab: str = "") -> Any:
        """The page of a model."""
        return self.open(name, "modelserve:open-model", model=name, tab=tab)

    def version(self, model: str, version: str, tab: str = "") -> Any:
        """The page of a version."""
        title = f"{model} version {version}"
        return self.open(title, "modelserve:open-version", model=model, version=version, tab=tab)

    @property
    def dialog(self) -> Any:
        """The dialog that is open."""
        return self.page.locator(".jp-Dialog")

    def accept(self, label: str) -> None:
        """Press the button that does it, and wait until the dialog has gone."""
        self.dialog.get_by_role("button", name=label, exact=True).click()
        self.dialog.wait_for(state="detached")
