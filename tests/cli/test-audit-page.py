#!/usr/bin/env python3
"""postern audit --html, in headless Chromium: what the page shows with and without scripts, its filter, its speed with
the whole table, that it loads nothing, and that a hostile manifest is text in it. Prints TAP."""
import hashlib
import json
import os
import re
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import keys  # noqa: E402
import tap  # noqa: E402
from browser import Browser  # noqa: E402
from manifests import envelope, make_image, run, statement_of, write_json  # noqa: E402

COUNT = "return document.getElementById('count').textContent"
SHOWN = "return Array.from(document.querySelectorAll('details[data-type]:not([hidden]) tbody tr:not([hidden])'))"
CMDLINE = "</pre><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'&amp;\t\x01\u202e\\x"
VERSION = "\"><svg onload=alert(1)>"


def make_page(folder, name, manifest, image, *more):
    path = f"{folder}/{name}.html"
    done = run("audit", manifest, image, "--html", path, *more)
    with open(path, encoding="ascii") as file:
        return path, file.read(), done.returncode


def test_source(text):
    """What holds for the bytes alone."""
    outside = re.findall(r"(?:src|href|action)\s*=\s*[\"']?[^\"'\s>]+|url\([^)]*\)|@import|https?://[^\s\"'<]+", text)
    tap.same(outside, ['href="#main'], "the page names nothing outside of itself")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text).group(1)
    tap.ok(policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy, "its policy is strict", policy)
    tap.ok(text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script>"), "and comes first")
    tap.ok("<noscript>" in text and re.search(r'<form id="filter" hidden>', text), "without scripts the filter stays hidden")


def test_agreeing(browser, path, statement):
    browser.open(path)
    rows = statement["predicate"]["rows"]
    tap.same(browser.run("return [document.querySelector('#verdict b').textContent, document.title.slice(0, 7)]"),
             ["Agrees", "Agrees:"], "the verdict")
    tap.same(browser.log(), [], "the browser's console is empty: no error, nothing that the policy refused")
    tap.same(browser.run("return performance.getEntriesByType('resource').length"), 0, "nothing was loaded")
    shown = browser.run("return Array.from(document.querySelectorAll('details[data-type] tbody tr')).map("
                        "r => [r.cells[0].textContent, r.cells[1].textContent])")
    tap.same(shown, [[str(r["vcpus"]), r["digest"]] for r in rows], "every row of the table, in its order")
    tap.same(browser.run("return Array.from(document.querySelectorAll('[aria-labelledby=h-artefacts] tbody tr')).map("
                         "r => [r.cells[0].textContent, r.querySelector('.hex').textContent])"),
             [[s["name"], s["digest"]["sha256"]] for s in statement["subject"]], "every artefact with its hash")
    steps = browser.run("return Array.from(document.querySelectorAll('[aria-labelledby=h-chain] tbody tr')).map("
                        "r => [r.cells[1].textContent, Number(r.cells[3].textContent), r.cells[6].textContent])")
    tap.same(steps[-1][2], rows[0]["digest"], "the chain ends in the first row's digest")
    drawn = browser.run("return Array.from(document.querySelectorAll('.chain rect')).map(r => [Number(r.getAttribute('y')), "
                        "r.x.baseVal.value, r.width.baseVal.value])")
    pages = [pages for _, pages, _ in steps]
    bar = [d for d in drawn if d[0] == drawn[0][0]]
    scale = sum(pages) / 1000
    tap.ok(len(bar) == len(pages) and all(abs(d[2] - p / scale) < 0.01 for d, p in zip(bar, pages)),
           "the drawing is to scale: widths are pages", bar)
    tap.ok(abs(bar[-1][1] + bar[-1][2] - 1000) < 0.01 and len(drawn) == 2 * len(pages) - 1, "and fills its width, enlarged below")
    tap.same(browser.run("return [document.documentElement.lang, document.querySelectorAll('h1').length, "
                         "document.querySelectorAll('main').length, document.querySelectorAll('th:not([scope])').length, "
                         "Array.from(document.querySelectorAll('input,select')).filter(e => !e.labels.length).length, "
                         "document.querySelectorAll('[style]').length]"),
             ["en", 1, 1, 0, 0, 0], "language, one heading, one main, heads with scopes, labels for all fields")


def test_filter(browser, rows):
    total = len(rows)
    tap.same(browser.run(COUNT), f"{total} launches", "the filter shows itself, and counts")
    browser.type("#f-vcpus", "12")
    found = browser.after_frame(SHOWN + ".map(r => r.cells[1].textContent)")
    expected = [r["digest"] for r in rows if r["vcpus"] == 12]
    tap.same(found, expected, "typing a count of vCPUs leaves the rows with exactly that count")
    tap.same(browser.run(COUNT), f"{len(expected)} of {total} launches", "which is told")
    tap.ok(browser.run(SHOWN + ".every(r => r.getClientRects().length > 0)"), "their groups are open")
    browser.run("var s = document.getElementById('f-type'); s.value = 'EPYC-Genoa';"
                "s.dispatchEvent(new Event('input', {bubbles: true}))")
    found = browser.after_frame(SHOWN + ".map(r => r.cells[1].textContent)")
    tap.same(found, [r["digest"] for r in rows if r["vcpus"] == 12 and r["vcpu_type"] == "EPYC-Genoa"], "with a CPU type: one row")
    browser.click("#filter button")
    browser.after_frame("return 0")
    tap.same(browser.after_frame(COUNT), f"{total} launches", "and all of them again")
    browser.type("#f-digest", rows[-1]["digest"][20:40].upper())
    tap.same(browser.after_frame(SHOWN + ".map(r => r.cells[1].textContent)"), [rows[-1]["digest"]], "a part of a digest finds it")
    start = time.monotonic()
    for letter in "0123456789abcdef":
        browser.run("var d = document.getElementById('f-digest'); d.value = arguments[0];"
                    "d.dispatchEvent(new Event('input', {bubbles: true}))", letter)
        browser.after_frame("return document.body.offsetHeight")
    each = (time.monotonic() - start) / 16
    tap.note(f"filtering {total} rows: {each * 1000:.0f} ms with layout and WebDriver's round trips")
    tap.ok(each < 2, "the filter is not slow", each)


def test_without_scripts(path, rows):
    with Browser(scripts=False) as browser:
        browser.open(path)
        # The page's own script does not run; WebDriver's calls do.
        form = browser.ask("GET", f"/element/{browser.element('#filter')}/displayed")
        text = browser.ask("GET", f"/element/{browser.element('main')}/text")
        found = browser.ask("POST", "/elements", {"using": "css selector", "value": "details[data-type] tbody tr"})
        tap.ok(not form and "Scripts are off" in text, "without scripts: no filter, and a sentence that says so", text[:300])
        tap.ok(len(found) == len(rows) and "What is measured" in text and rows[0]["digest"] in text,
               "everything else is there", f"{len(found)} {text[:600]}")
        browser.click("details[data-type] summary")
        text = browser.ask("GET", f"/element/{browser.element('details[data-type]')}/text")
        tap.ok(rows[0]["digest"] in text, "groups open without scripts")


def test_dark(path):
    with Browser("--blink-settings=preferredColorScheme=0") as browser:
        browser.open(path)
        dark = browser.run("return getComputedStyle(document.body).backgroundColor")
    with Browser("--blink-settings=preferredColorScheme=1") as browser:
        browser.open(path)
        light = browser.run("return getComputedStyle(document.body).backgroundColor")
        for width in 1200, 400:
            browser.ask("POST", "/window/rect", {"width": width, "height": 900})
            tap.ok(browser.after_frame("return document.documentElement.scrollWidth <= window.innerWidth"),
                   f"{width} pixels wide: the page itself does not scroll sideways")
    tap.ok(light != dark, "there is a dark style", (light, dark))


def test_hostile(browser, folder, image, statement):
    """Markup in every text that a manifest may hold, signed and all."""
    statement["predicate"]["inputs"]["cmdline"] = CMDLINE
    statement["predicate"]["tools"] = [{"name": "gcc", "version": VERSION}]
    statement["predicate"]["rows"][3]["digest"] = "0" * 96
    for subject in statement["subject"]:
        if subject["name"] == "cmdline":
            subject["digest"]["sha256"] = hashlib.sha256(CMDLINE.encode()).hexdigest()
    manifest = f"{folder}/<script>document.title='owned'</script>.json"
    os.makedirs(os.path.dirname(manifest), exist_ok=True)
    write_json(manifest, envelope(statement, [keys.p384()], ids=["<b>\""]))
    path, text, status = make_page(folder, "hostile", manifest, image)
    browser.open(path)
    tap.same(status, 3, "control: the manifest does not agree")
    tap.same(browser.run("return [document.querySelectorAll('script').length, document.querySelectorAll('img').length, "
                         "document.querySelectorAll('svg[onload]').length, document.title.startsWith('Does not agree: ')]"),
             [1, 0, 0, True], "hostile text makes no element, and no script of it runs")
    shown = browser.run("return document.querySelector('[aria-labelledby=h-artefacts] pre').textContent")
    clean = CMDLINE.replace("\\", "\\x5c").replace("\t", "\\x09").replace("\x01", "\\x01")
    tap.same(shown, clean.replace("\u202e", "\\xe2\\x80\\xae"), "it is shown as it is, what cannot be seen as numbers")
    tap.same(browser.run("return document.querySelector('[aria-labelledby=h-tools] code').textContent"), VERSION, "everywhere")
    tap.same(browser.log(), [], "the policy had nothing to refuse")
    tap.same(browser.run("return [document.querySelector('#verdict b').textContent, document.querySelectorAll('details[open]')"
                         ".length, document.querySelectorAll('.rows .bad').length]")[0], "Does not agree", "the verdict")
    tap.ok("\u202e" not in text and text.isascii(), "the page is ASCII")


def main():
    with tempfile.TemporaryDirectory(prefix="postern-page.") as folder:
        image = make_image(f"{folder}/image")
        run("manifest", "create", image)
        key = keys.make_ed25519()
        keys.write_private(f"{folder}/p.key", key)
        public = keys.write_public(f"{folder}/p.pub", key)
        run("manifest", "sign", f"{image}/manifest.json", "--key", f"{folder}/p.key")
        statement = json.loads(statement_of(f"{image}/manifest.json"))
        rows = statement["predicate"]["rows"]
        path, text, status = make_page(folder, "right", f"{image}/manifest.json", image, "--key", public)
        tap.same((status, len(rows) >= 2560), (0, True), "control: the whole table agrees")
        tap.ok(text == make_page(folder, "again", f"{image}/manifest.json", image, "--key", public)[1], "the same page twice")
        test_source(text)
        with Browser() as browser:
            test_agreeing(browser, path, statement)
            test_filter(browser, rows)
            test_hostile(browser, folder, image, statement)
        test_without_scripts(path, rows)
        test_dark(path)
    tap.done()


main()
