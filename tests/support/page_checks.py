"""Checks that every page must pass in a browser."""

import re

CONTRAST = """(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3)
    .map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    const [r, g, b, alpha = 1] = channels(getComputedStyle(node).backgroundColor);
    if (alpha === 1 || !node.parentElement) return [r, g, b];
    return ground(node.parentElement).map((under, i) => [r, g, b][i] * alpha + under * (1 - alpha));
  };
  const found = [...document.querySelectorAll("h1, h2, p, dd, dt, th, td, b, figcaption")]
    .filter((node) => node.innerText.trim() && node.getClientRects().length)
    .map((node) => [light(channels(getComputedStyle(node).color)), light(ground(node))])
    .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  return Math.min(...found);
})()"""
"""JavaScript: the smallest contrast of a text with its ground, as WCAG 2 defines it."""

TEXT_WITH_SHADOWS = """(() => {
  const text = (node) => [...node.childNodes].map((child) =>
    child.nodeType === 3 ? child.textContent
    : ["STYLE", "SCRIPT"].includes(child.tagName) || !child.getClientRects().length ? ""
    : text(child) + (child.shadowRoot ? text(child.shadowRoot) : "")).join(" ");
  return text(document.documentElement);
})()"""
"""JavaScript: the text that is shown, also in shadow trees, where Bokeh draws."""


def open_page(browser, path):
    browser.open(path, ready="document.readyState == 'complete'")
    assert (browser.requests, browser.errors) == ([path.as_uri()], [])


def check_in_all_modes(browser):
    """Check that the open page is readable, light and dark, on a wide screen and on a phone."""
    hyphens = re.findall(r"(?<![\w.)-])-\d.{,20}", browser.run(TEXT_WITH_SHADOWS))
    assert not hyphens, "negative numbers have a minus sign"
    grounds = {}
    for dark in (False, True):
        for width in (1300, 400):
            browser.show_as(dark=dark, width=width)
            assert browser.run("document.documentElement.scrollWidth") == width
            assert browser.run(CONTRAST) >= 3, (dark, width)
            grounds[dark] = browser.run("getComputedStyle(document.body).backgroundColor")
    assert grounds[False] == "rgb(255, 255, 255)"
    assert grounds[True] != grounds[False]
