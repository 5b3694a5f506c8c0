"""Somebody without a mouse: what has the focus, whether it is seen, and how one gets there."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Locator, Page

# More than the stops of any page of ours.
MOST_STOPS = 250
# What is wrong with how the focus shows, "" when nothing is. A ring of 2 px, on the element or on what stands
# for it (a label around or after a box), in the window, and covered by nothing.
FAULT = """() => {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return "";
  const words = focused.outerHTML.slice(0, 120);
  const hasRing = (each) => {
    const style = getComputedStyle(each);
    const isSeen = style.outlineStyle !== "none" && !style.outlineColor.endsWith(", 0)");
    return isSeen && parseFloat(style.outlineWidth) >= 2;
  };
  const standIns = [focused, focused.nextElementSibling, focused.parentElement].filter(Boolean);
  if (focused.id !== "content" && !standIns.some(hasRing)) return `no ring: ${words}`;
  if (focused.id === "content") return "";
  // Of a link in two lines the first: between them is nothing of it.
  const box = focused.getClientRects()[0];
  if (!box) return `not laid out: ${words}`;
  const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
  const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
  if (right - left < 1 || bottom - top < 1) return `out of the window: ${words}`;
  const above = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const isOnTop = above && (focused.contains(above) || above.closest("label")?.control === focused);
  return isOnTop ? "" : `covered by ${above?.outerHTML.slice(0, 120)}: ${words}`;
}"""
IS_FOCUSED = "(element) => element === document.activeElement"
IS_ANYTHING_FOCUSED = "document.activeElement !== document.body"


def press(page: Page, key: str) -> None:
    """The key, and whatever has the focus then is seen."""
    page.keyboard.press(key)
    fault = page.evaluate(FAULT)
    assert fault == "", f"{page.url} after {key}: {fault}"


def tab_to(page: Page, wanted: Locator) -> None:
    """By Tab alone."""
    for _stop in range(MOST_STOPS):
        if is_focused(wanted):
            return
        press(page, "Tab")
    raise AssertionError(f"{page.url}: Tab never gets to {wanted}")


def stops(page: Page) -> Iterator[str]:
    """Walk the whole page by Tab, until the focus leaves it."""
    for _stop in range(MOST_STOPS):
        press(page, "Tab")
        if not page.evaluate(IS_ANYTHING_FOCUSED):
            return
        yield str(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    raise AssertionError(f"{page.url}: Tab never gets out of the page")


def is_focused(wanted: Locator) -> bool:
    return bool(wanted.evaluate(IS_FOCUSED))
