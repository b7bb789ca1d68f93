"""The app in a real browser, on a real server: every page by its link, and the whole loop from training to a photo.

Needs Chromium (Debian: apt-get install chromium). Without it these tests are skipped, unless
FASHION_REQUIRE_BROWSER is set, as it is in continuous integration.
"""

import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from fashion import datasets, sketches
from fashion.ui import frame

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = sync_api.expect

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
# These machines may be busy; a page that never comes fails all the same.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("FASHION_REQUIRE_BROWSER"),
        reason="no Chromium on the PATH (Debian: apt-get install chromium)",
    ),
]


@contextlib.contextmanager
def serving(runs_folder: Path):
    """A freshly started server; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    environment = {**os.environ, "FASHION_RUNS": str(runs_folder)}
    with open(runs_folder / "server.log", "wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/_stcore/health").read()
                break
            assert server.poll() is None, (runs_folder / "server.log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        assert CHROMIUM, "FASHION_REQUIRE_BROWSER is set, but no Chromium is on the PATH"
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser):
    """A page 1280 pixels wide that waits patiently and fails on an exception shown by the app."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def settled(tab) -> None:
    """Wait until the app has drawn what it has to draw, and see that it did not fail."""
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    assert tab.locator("[data-testid=stException]").count() == 0, tab.locator(
        "[data-testid=stException]"
    ).inner_text()


@pytest.mark.parametrize("page", frame.PAGES, ids=lambda page: page.title)
def test_every_page_opens_by_its_link_on_a_fresh_server(page, tab, tmp_path):
    """A deep link shows the whole page, menu included, although nobody opened the start page before."""
    with serving(tmp_path) as address:
        tab.goto(address if page.title == "Home" else f"{address}/{Path(page.file).stem}")

        expect(tab.locator("h1").first).to_be_visible()
        settled(tab)
        menu = tab.locator("[data-testid=stSidebar] [data-testid=stPageLink]")
        expect(menu).to_have_count(len(frame.PAGES))
        titles = [text.splitlines()[-1] for text in menu.all_inner_texts()]
        assert titles == [entry.title for entry in frame.PAGES]


@pytest.mark.parametrize("page", frame.PAGES, ids=lambda page: page.title)
def test_no_page_is_wider_than_a_phone(page, browser, tmp_path, phone_server):
    """At 390 pixels nothing has to be scrolled sideways to be read."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()

    tab.goto(phone_server if page.title == "Home" else f"{phone_server}/{Path(page.file).stem}")
    tab.locator("h1").first.wait_for()
    settled(tab)

    width = tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    context.close()
    assert width <= 390


@pytest.fixture(scope="module")
def phone_server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("phone")) as address:
        yield address


def test_the_keyboard_focus_is_seen_on_links_and_above_charts(browser, phone_server):
    """A ring around the menu's entry, and the buttons above a chart, which else only the mouse brings up."""
    tab = browser.new_page()
    tab.goto(f"{phone_server}/benchmark")
    settled(tab)
    above = tab.get_by_test_id("stElementToolbar").first
    expect(above).to_have_css(
        "opacity", "0"
    )  # so the page is drawn, and takes the focus from nothing any more
    links = tab.get_by_test_id("stPageLink-NavLink")
    links.filter(has_text="Home").focus()
    tab.keyboard.press("Tab")

    link = links.filter(has_text="Dataset")
    expect(link).to_be_focused()
    expect(link).to_have_css("outline-style", "solid")
    expect(link).to_have_css("outline-width", "2px")
    above.get_by_role("button").first.focus()
    expect(above).to_have_css("opacity", "1")
    tab.close()


def test_the_whole_loop_from_training_to_a_photo(tab, tmp_path):
    """Start a CNN on Fashion-MNIST, see its curve, stop it, reload, find it under Runs, open a confusion cell, drop a photo,
    look elsewhere, and come back with the browser's own button to what was left."""
    if not datasets.status("fashion-mnist").present:
        pytest.skip(
            "Fashion-MNIST is not here: set FASHION_DATA, or python -m fashion data --fetch fashion-mnist"
        )
    with serving(tmp_path) as address:
        tab.goto(f"{address}/train?epochs=5")
        tab.get_by_role("button", name="Start", exact=True).click()
        tab.get_by_text(re.compile(r"Epoch 1 of 5 · [\d,]+ images/s · .+ left")).wait_for()
        curve = tab.locator("[aria-label^='Loss of training']")
        expect(curve).to_be_visible()
        before = rows(tmp_path, "steps.csv")
        assert before >= 1

        # Streamlit's own toolbar has a Stop button too, while the page is drawn.
        tab.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop", exact=True).click()
        tab.get_by_text("Stopped by hand.").wait_for()
        expect(tab.get_by_text("Test accuracy", exact=True)).to_be_visible()
        tab.reload()
        expect(tab.get_by_text("Test accuracy", exact=True)).to_be_visible()
        settled(tab)

        tab.get_by_role("button", name="Look at its mistakes").click()
        tab.get_by_text("Confusion matrix", exact=True).click()
        name, count = best_recognised(tmp_path)
        tab.locator(
            f"path[aria-label*='predicted class: {name};'][aria-label*='true class: {name};']"
        ).click()
        expect(tab.get_by_text(f"{name}, recognised: {count:,} picture")).to_be_visible()
        expect(tab.locator(f"img[alt*='labelled {name}, taken for {name} with']").first).to_be_visible()

        tab.goto(f"{address}/predict?model={run_id(tmp_path)}")
        tab.locator("input[type=file]").set_input_files(
            {"name": "bag.png", "mimeType": "image/png", "buffer": drawn_photo(label=8)}
        )
        bars = tab.locator("[aria-label^='Bars: the probability']")
        expect(bars).to_be_visible()
        settled(tab)

        tab.get_by_role("link", name="Dataset").first.click()
        expect(tab.get_by_role("heading", name="Dataset", level=1)).to_be_visible()
        tab.go_back()
        expect(tab.get_by_text("1 photo from before is still here.")).to_be_visible()
        expect(tab).to_have_url(re.compile(f"model={run_id(tmp_path)}"))
        settled(tab)


def best_recognised(runs_folder: Path) -> tuple[str, int]:
    """The class with the most test pictures on the diagonal, and how many, counted here by hand."""
    with np.load(runs_folder / run_id(runs_folder) / "evaluation.npz") as stored:
        labels, answers = stored["test_labels"], stored["test_probabilities"].argmax(axis=1)
    counts = [int(((labels == label) & (answers == label)).sum()) for label in range(10)]
    return datasets.CLASSES_FASHION[int(np.argmax(counts))], max(counts)


def run_id(runs_folder: Path) -> str:
    (settings,) = runs_folder.glob("*/settings.json")
    return settings.parent.name


def rows(runs_folder: Path, name: str) -> int:
    return len((runs_folder / run_id(runs_folder) / name).read_text().splitlines()) - 1


def drawn_photo(label: int) -> bytes:
    buffer = io.BytesIO()
    sketches.draw_colour(label, seed=5, size=400).save(buffer, "PNG")
    return buffer.getvalue()
