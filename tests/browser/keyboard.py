"""A person at the keyboard: where the focus is, and the way from there to somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support import wait_until

#: Far more than there is to step over on an endpoint's page.
STEPS = 120
#: What has the focus, as somebody sees or hears it.
_FOCUSED = """() => {
  const node = document.activeElement;
  const said = node.getAttribute('aria-label') || node.labels?.[0]?.innerText || node.innerText;
  const box = node.getBoundingClientRect();
  const down = Math.min(10, box.height / 2);
  const at = document.elementFromPoint(box.left + box.width / 2, box.top + down);
  const style = getComputedStyle(node);
  return {
    name: (said || '').trim().split('\\n')[0],
    role: node.getAttribute('role') || node.localName,
    inside: ['.jp-DeployPanel', '.jp-Dialog'].find(one => node.closest(one)) || '',
    seen: !!at && (node.contains(at) || at.contains(node)),
    ringed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
  };
}"""


@dataclass(frozen=True)
class Focused:
    """What has the focus."""

    name: str
    role: str
    #: The panel's class or that of a dialog; empty when it is elsewhere.
    inside: str
    #: Whether nothing covers it.
    seen: bool
    #: Whether a ring is around it.
    ringed: bool

    @property
    def in_panel(self) -> bool:
        return self.inside == ".jp-DeployPanel"


@dataclass
class Keyboard:
    """The keyboard of a page."""

    page: Any

    def focused(self) -> Focused:
        return Focused(**self.page.evaluate(_FOCUSED))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Put a text in place of what is in the field."""
        self.press("Control+a")
        self.page.keyboard.type(text)

    def to(self, name: str, *, back: bool = False) -> Focused:
        """Step from one place to the next until one of this name; each is seen, with its ring."""
        passed = []
        for _ in range(STEPS):
            self.press("Shift+Tab" if back else "Tab")
            found = self.focused()
            passed.append(found.name)
            assert found.inside, f"the focus left the panel after {passed}"
            if found.in_panel:
                assert found.seen, f"{found} is hidden"
                assert found.ringed, f"{found} has no ring"
            if found.name == name:
                return found
        raise AssertionError(f"no {name!r} among {passed}")

    def wait_for(self, name: str) -> Focused:
        """Wait until what has this name has the focus."""

        def there() -> Focused | None:
            found = self.focused()
            return found if found.name == name else None

        try:
            return wait_until(there, 10.0)
        except AssertionError:
            raise AssertionError(f"not {name!r} has the focus but {self.focused()}") from None
