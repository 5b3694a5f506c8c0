"""How a page is looked at: by whom, how wide, light or dark, in which language; and what must hold of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_core_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import Account

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
# Who looks at what, under which name. "": nobody is logged in.
Place = tuple[str, str, str]
# What reaches over the edge, its first words beside it.
TOO_WIDE = """[...document.querySelectorAll("main *")].filter(
    (each) => each.getBoundingClientRect().right > innerWidth
).map((each) => each.outerHTML.slice(0, 160)).slice(-4)"""

# What moves on the page by itself, from when all of it came: how far, and what. A busy browser may paint
# the first rows of a table before it has read the others, by chance. So where things are is what the first
# picture of the whole page says.
WATCH_SHIFTS = """(() => {
  const shifts = [];
  let whole = Infinity;
  document.addEventListener("DOMContentLoaded", () => requestAnimationFrame(() =>
    requestAnimationFrame(() => { whole = performance.now(); })));
  const moved = (source) => {
    const words = source.node?.outerHTML ?? source.node?.textContent ?? "gone";
    const [from, to] = [source.previousRect, source.currentRect].map((rect) => JSON.stringify(rect));
    return `${words.slice(0, 120)} ${from} -> ${to}`;
  };
  const note = (entries) => {
    for (const each of entries) {
      if (!each.hadRecentInput) shifts.push([each.startTime, each.value, each.sources.map(moved)]);
    }
  };
  const observer = new PerformanceObserver((list) => note(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  window.shiftsSoFar = () => {
    note(observer.takeRecords());
    return shifts.filter(([at]) => at >= whole).map(([_at, ...shift]) => shift);
  };
})()"""
# Less than this share of the window, by how far it moved (a tenth of what browsers call good), nobody sees.
SEEN_SHIFT = 0.01
# Two frames later everything so far is laid out and painted.
SHIFTS = """async () => {
  for (const _frame of [1, 2]) await new Promise((done) => requestAnimationFrame(done));
  await new Promise((done) => setTimeout(done));
  return shiftsSoFar();
}"""


@dataclass(frozen=True, slots=True)
class Look:
    width: int
    scheme: Literal["light", "dark"]
    language: str

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}-{self.language}"


LOOKS = [
    Look(360, "light", "pl"),
    Look(390, "dark", "en"),
    Look(820, "light", "en"),
    Look(1440, "dark", "pl"),
    Look(1440, "light", "pl"),
]


@dataclass(slots=True)
class Visit:
    """One person's browser. troubles: what it complains about (content policy, missing files, scripts)."""

    root: str
    look: Look
    page: Page
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on(
            "console",
            lambda message: (
                self.troubles.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def goto(self, path: str) -> None:
        self.page.goto(self.root + path)

    def see(self, name: str, *, status: str = "") -> None:
        """The page as it is, kept as a picture: nothing moved by itself, no sideways scroll, no finding by
        axe, and no trouble but that the page itself has the status.
        """
        self.is_still(name)
        self.page.screenshot(path=ARTIFACTS / f"{name}-{self.look}.png", full_page=True)
        scrolled = self.page.evaluate("document.documentElement.scrollWidth")
        assert scrolled <= self.look.width, (
            f"{name} scrolls sideways: {scrolled} {self.page.evaluate(TOO_WIDE)}"
        )
        findings = Axe().run(self.page)["violations"]
        assert [(f["id"], [node["html"] for node in f["nodes"]][:3]) for f in findings] == [], name
        assert [trouble for trouble in self.troubles if not status or status not in trouble] == [], name

    def is_still(self, name: str) -> None:
        """Nothing that one sees was moved since the page was asked for, but by what the person did."""
        shifts = self.page.evaluate(SHIFTS)
        assert sum(score for score, _moved in shifts) < SEEN_SHIFT, f"{name} moves: {shifts}"


@contextmanager
def visit(browser: Browser, root: str, people: dict[str, Account], who: str, look: Look) -> Iterator[Visit]:
    ARTIFACTS.mkdir(exist_ok=True)
    context = browser.new_context(
        viewport={"width": look.width, "height": 900}, color_scheme=look.scheme, locale=look.language
    )
    context.add_init_script(WATCH_SHIFTS)
    _log_in(context, root, people.get(who), look.language)
    yield Visit(root, look, context.new_page())
    context.close()


def see_all(
    browser: Browser,
    root: str,
    people: dict[str, Account],
    places: Sequence[Place],
    look: Look,
    *,
    status: str = "",
) -> None:
    """Every place, each person's in one browser."""
    for person in dict.fromkeys(who for who, _path, _name in places):
        with visit(browser, root, people, person, look) as visited:
            for _who, path, name in (place for place in places if place[0] == person):
                visited.goto(path)
                visited.see(name, status=status)


def _log_in(context: BrowserContext, root: str, person: Account | None, language: str) -> None:
    cookies = {"django_language": language}
    if person is not None:
        Account.objects.filter(pk=person.pk).update(language=language)
        client = Client()
        client.force_login(person, backend="accounts.backends.AddressBackend")
        cookies["sessionid"] = client.cookies["sessionid"].value
    context.add_cookies([{"name": name, "value": value, "url": root} for name, value in cookies.items()])
