#!/usr/bin/env python3
"""Opens a page of `sextant report` in headless Chromium and fails on whatever a person would see go wrong.

    browser.py PAGE.html FOLDER CHARTS

FOLDER gets screenshots (desktop in light and dark, a phone) and a PDF. The page has to draw CHARTS charts, zoom, answer the
pointer, and log nothing: no error, no warning, no exception, and no request beside its own file. Speaks the DevTools protocol
over a pipe, with nothing but Python's library.
"""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ["chromium-headless-shell", "chromium", "google-chrome", "chrome"]
DEADLINE_S = 60


class Browser:
    def __init__(self):
        found = next((path for path in map(shutil.which, NAMES) if path), None)
        if not found:
            sys.exit("no browser: install Debian's chromium-headless-shell (launch/setup.sh --with-tests does)")
        self.home = tempfile.TemporaryDirectory()
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4.
        arguments = [found, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--remote-debugging-pipe", f"--user-data-dir={self.home.name}", "about:blank"]
        shell = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "browser", *arguments]
        self.process = subprocess.Popen(shell, pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.number, self.session, self.bytes, self.events = 0, None, b"", []

    def message(self):
        end = time.monotonic() + DEADLINE_S
        while b"\0" not in self.bytes:
            ready, _, _ = select.select([self.into], [], [], max(0, end - time.monotonic()))
            part = os.read(self.into, 1 << 20) if ready else b""
            if not part:
                sys.exit("the browser ended or says nothing")
            self.bytes += part
        text, self.bytes = self.bytes.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        order = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.out, json.dumps(order).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            sys.exit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(domain + ".enable")

    def end(self):
        self.process.terminate()
        self.process.wait()

    def faults(self, page):
        """What went wrong since the start, as texts."""
        found = []
        for event in self.events:
            method, what = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                details = what["exceptionDetails"]
                found.append("exception: " + details.get("exception", {}).get("description", details["text"]))
            elif method in ("Log.entryAdded", "Runtime.consoleAPICalled"):
                found.append(f"logged: {json.dumps(what)[:600]}")
            elif method == "Network.requestWillBeSent" and what["request"]["url"].split("#")[0] != page:
                found.append("request: " + what["request"]["url"])
        return found


def show(browser, page, width, height, scheme, phone):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
    browser.call("Emulation.setTouchEmulationEnabled", enabled=phone)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Page.navigate", url=page)
    end = time.monotonic() + DEADLINE_S
    while browser.value("document.readyState") != "complete" or browser.value("location.href") != page:
        if time.monotonic() > end:
            sys.exit("the page does not come to its end")
        time.sleep(0.05)


def keep(browser, file):
    picture = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                           clip=dict(x=0, y=0, width=browser.value("innerWidth"), scale=1,
                                     height=min(12000, browser.value("document.documentElement.scrollHeight"))))
    file.write_bytes(base64.b64decode(picture["data"]))


def mouse(browser, kind, x, y, button="left", clicks=1):
    browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=int(kind != "mouseReleased"),
                 clickCount=clicks)


def check(holds, what):
    if not holds:
        sys.exit("the page: " + what)


def use(browser):
    """Hovers, zooms, and turns every switch."""
    box = json.loads(browser.value("document.querySelector('.chart').scrollIntoView({block: 'center'}), "
                                   "JSON.stringify(document.querySelector('.chart').getBoundingClientRect())"))
    x, y, w = box["x"], box["y"] + box["height"] / 2, box["width"]
    text = "document.querySelector('.legend').textContent"
    before, whole = browser.value(text), browser.value("kCharts[0].chart.xAxisRange()")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + 0.6 * w, y=y)
    check(browser.value(text) != before, "the legend does not follow the pointer")
    mouse(browser, "mousePressed", x + 0.5 * w, y)
    mouse(browser, "mouseMoved", x + 0.8 * w, y)
    mouse(browser, "mouseReleased", x + 0.8 * w, y)
    zoomed = browser.value("kCharts[0].chart.xAxisRange()")
    check(zoomed[1] - zoomed[0] < 0.5 * (whole[1] - whole[0]), f"dragging does not zoom: {whole} to {zoomed}")
    browser.value("kCharts[0].chart.resetZoom()")
    for change in ["across.value = 'tokens'", "smooth.value = '25'", "log.checked = true"]:
        browser.value(f"{{ const [across, smooth, log] = ['across', 'smooth', 'log'].map((id) => document.getElementById(id)); "
                      f"{change}; across.dispatchEvent(new Event('change', {{bubbles: true}})); }}")
    across = browser.value("kCharts[0].chart.xAxisRange()")
    check(across[1] > 4 * whole[1], f"the axis does not change to tokens: {whole} to {across}")
    browser.value("for (const one of document.querySelectorAll('main select')) for (const option of one.options) "
                  "{ one.value = option.value; one.dispatchEvent(new Event('change')); }")


def pinch(browser):
    """Two fingers zoom, one finger does not: it scrolls."""
    box = json.loads(browser.value("document.querySelector('.chart').scrollIntoView({block: 'center'}), "
                                   "JSON.stringify(document.querySelector('.chart').getBoundingClientRect())"))
    x, y, w = box["x"], box["y"] + box["height"] / 2, box["width"]
    whole = browser.value("kCharts[0].chart.xAxisRange()")

    def touch(kind, *places):
        browser.call("Input.dispatchTouchEvent", type=kind,
                     touchPoints=[dict(x=x + part * w, y=y, id=i) for i, part in enumerate(places)])
    for fingers in [[(0.6, 0.4)], [(0.45, 0.35), (0.65, 0.85)]]:
        touch("touchStart", *[begin for begin, _ in fingers])
        touch("touchMove", *[end for _, end in fingers])
        touch("touchEnd")
        now = browser.value("kCharts[0].chart.xAxisRange()")
        zoomed = now[1] - now[0] < 0.8 * (whole[1] - whole[0])
        check(zoomed if len(fingers) == 2 else now == whole, f"{len(fingers)} fingers change {whole} to {now}")


def main(page, folder, charts):
    browser = Browser()
    try:
        browser.attach()
        for name, width, height, scheme, phone in [("light", 1280, 900, "light", False), ("dark", 1280, 900, "dark", False),
                                                   ("phone", 390, 844, "light", True)]:
            show(browser, page, width, height, scheme, phone)
            keep(browser, folder / f"{name}.png")
            drawn = browser.value("kCharts.filter((one) => one.chart.numRows() > 0).length")
            check(drawn == charts, f"{drawn} charts with points instead of {charts}")
            wide = browser.value("document.documentElement.scrollWidth")
            check(wide <= width, f"on {name} it is {wide} wide instead of {width}")
            if phone:
                pinch(browser)
        browser.call("Emulation.clearDeviceMetricsOverride")
        show(browser, page, 1280, 900, "light", False)
        use(browser)
        pdf = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
        check(pdf.startswith(b"%PDF"), "no PDF")
        (folder / "paper.pdf").write_bytes(pdf)
        faults = browser.faults(page)
        check(not faults, "\n".join(faults))
    finally:
        browser.end()
    print(f"browser: {charts} charts, on a desktop, a phone and paper, without a word")


main(pathlib.Path(sys.argv[1]).resolve().as_uri(), pathlib.Path(sys.argv[2]), int(sys.argv[3]))
